// Replicas with real processes: tests/fake_worker in the place of slipway-worker.
#include "supervisor/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "io/lines.h"
#include "io/local_socket.h"
#include "io/proc.h"

namespace slipway::supervisor {
namespace {

using namespace std::chrono_literals;
using domain::ReplicaState;
using testing::HasSubstr;

constexpr base::Duration kPatience = 30s;  // of a test for something that must happen

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest() {
    char name[] = "/tmp/slipway-supervisor-XXXXXX";
    dir_ = ::mkdtemp(name);
    open();
  }
  ~SupervisorTest() override {
    supervisor_.reset();
    std::filesystem::remove_all(dir_);
  }

  void open() {
    SupervisorOptions options;
    options.program = SLIPWAY_FAKE_WORKER;
    options.sockets = dir_ / "run";
    options.leftovers = dir_ / "workers";
    options.liveness = {.silence = silence_, .start_silence = 10s, .standstill_factor = 30};
    options.restart.first_delay = 1ms;
    options.restart.max_delay = 4ms;
    auto made = Supervisor::open(loop_, options, metrics_, [this](const Replica&) { ++changes_; });
    ASSERT_TRUE(made) << made.error().to_string();
    supervisor_ = std::move(*made);
  }

  Replica& start(const std::string& id, const std::string& switches) {
    const auto model = dir_ / (id + ".gguf");
    std::ofstream(model) << "fake: " << switches << "\n";
    domain::LoadPlan plan;
    plan.path = model;
    plan.model_id = "m";
    plan.parallel = 4;
    return supervisor_->start(base::ReplicaId(id), std::move(plan));
  }

  // Turns the loop until the condition holds.
  template <class F>
  testing::AssertionResult until(F condition) {
    const auto end = base::monotonic_now() + kPatience;
    loop_.context().restart();
    while (!condition()) {
      if (base::monotonic_now() > end)
        return testing::AssertionFailure() << "not within " << base::human_duration(kPatience);
      loop_.context().run_one_for(10ms);
    }
    return testing::AssertionSuccess();
  }
  testing::AssertionResult until_state(Replica& replica, ReplicaState state) {
    return until([&] { return replica.state() == state; });
  }

  // One call to a worker on a thread of its own. `tokens` counts its data events as they come.
  struct Call {
    std::thread thread;
    std::atomic<int> status{0}, events{0};
    std::atomic<bool> over{false}, failed{false};
    std::string text;
    ~Call() { thread.join(); }
  };
  std::unique_ptr<Call> call(const Replica& replica, std::string body) {
    auto c = std::make_unique<Call>();
    c->thread = std::thread([c = c.get(), path = replica.config().socket, body = std::move(body)] {
      const io::HttpRequest request{
          .method = "POST", .target = "/v1/chat/completions", .headers = {}, .body = body};
      const auto answer = io::http_call({.path = path, .host = {}}, request, base::Deadline::after(kPatience),
                                        [c](std::string_view data) {
                                          c->text += data;
                                          c->events += static_cast<int>(std::ranges::count(data, '{') > 0);
                                          return true;
                                        });
      c->failed = !answer;
      if (answer) c->status = answer->status;
      c->over = true;
    });
    return c;
  }

  StopReport stop(const std::string& id, base::Duration patience) {
    std::optional<StopReport> report;
    loop_.spawn(
        [](Supervisor& s, std::string name, base::Duration d, std::optional<StopReport>& out) -> io::Task<> {
          out = co_await s.stop(base::ReplicaId(name), base::Deadline::after(d));
        }(*supervisor_, id, patience, report));
    EXPECT_TRUE(until([&] { return report.has_value(); }));
    return report.value_or(StopReport{});
  }

  base::Duration silence_ = 500ms;
  std::filesystem::path dir_;
  telemetry::Registry metrics_;
  io::Loop loop_{"test"};
  int changes_ = 0;
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(SupervisorTest, AReplicaBecomesReadyWithProgressAndFacts) {
  Replica& r = start("a", "load_ms=100 load_steps=5");
  EXPECT_EQ(r.state(), ReplicaState::starting);
  ASSERT_TRUE(until([&] { return r.progress() && r.progress()->done > 0; }));
  EXPECT_EQ(r.progress()->total, 5u);
  ASSERT_TRUE(until_state(r, ReplicaState::ready));
  EXPECT_EQ(r.facts().fingerprint, "fake");
  EXPECT_FALSE(r.progress());
  EXPECT_GT(changes_, 2);
  const auto answered = call(r, R"({"messages":[],"max_tokens":3})");
  ASSERT_TRUE(until([&] { return answered->over.load(); }));
  EXPECT_EQ(answered->status, 200);
  EXPECT_THAT(answered->text, HasSubstr("word2"));
}

TEST_F(SupervisorTest, TheWorkerHasAnEmptyEnvironment) {
  ::setenv("SLIPWAY_TEST_SECRET", "do not pass on", 1);
  Replica& r = start("a", "");
  ASSERT_TRUE(until_state(r, ReplicaState::ready));
  std::ifstream in("/proc/" + std::to_string(r.pid()) + "/environ");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "");
}

TEST_F(SupervisorTest, AKilledWorkerStartsAgainAndSaysWhy) {
  Replica& r = start("a", "");
  ASSERT_TRUE(until_state(r, ReplicaState::ready));
  const pid_t before = r.pid();
  ::kill(before, SIGKILL);
  ASSERT_TRUE(until([&] { return r.state() == ReplicaState::ready && r.pid() != before; }));
  EXPECT_EQ(r.restarts(), 1);
  ASSERT_TRUE(r.last_exit());
  EXPECT_EQ(r.last_exit()->cause, policy::Cause::killed);
  EXPECT_THAT(r.last_exit()->words, HasSubstr("SIGKILL"));
}

TEST_F(SupervisorTest, AStoppedWorkerIsFoundByItsSilenceAndItsRequestsAreNotToBlame) {
  Replica& r = start("a", "token_ms=20");
  ASSERT_TRUE(until_state(r, ReplicaState::ready));
  const auto stream = call(r, R"({"stream":true,"max_tokens":1000})");
  ASSERT_TRUE(until([&] { return stream->events > 2; }));
  const pid_t before = r.pid();
  ::kill(before, SIGSTOP);
  ASSERT_TRUE(until([&] { return r.state() == ReplicaState::ready && r.pid() != before; }));
  EXPECT_EQ(r.last_exit()->cause, policy::Cause::no_progress);
  EXPECT_TRUE(supervisor_->quarantine().strikes(loop_.now()).alone.empty());
}

TEST_F(SupervisorTest, AHangingEngineIsRestartedAndTheRequestGetsAStrike) {
  Replica& r = start("a", "hang_after=3");
  ASSERT_TRUE(until_state(r, ReplicaState::ready));
  const auto answered = call(r, R"({"max_tokens":10})");
  ASSERT_TRUE(until([&] { return answered->over.load(); }));
  EXPECT_TRUE(answered->failed);
  ASSERT_TRUE(until([&] { return r.restarts() == 1; }));
  EXPECT_EQ(r.last_exit()->cause, policy::Cause::no_progress);
  EXPECT_EQ(supervisor_->quarantine().strikes(loop_.now()).alone.size(), 1u);
}

TEST_F(SupervisorTest, ASlowStartIsNoFailureWhileItMoves) {
  Replica& r =
      start("a", "load_ms=3000 load_steps=60");  // six times the silence that a ready worker may keep
  ASSERT_TRUE(until_state(r, ReplicaState::ready));
  EXPECT_EQ(r.restarts(), 0);
}

TEST_F(SupervisorTest, ACrashLoopEndsWithTheLastLinesAndTheCause) {
  Replica& r = start("a", "exit_at_start=7");
  ASSERT_TRUE(until_state(r, ReplicaState::crash_loop));
  EXPECT_EQ(r.last_exit()->cause, policy::Cause::exited);
  EXPECT_THAT(r.last_lines(), testing::Contains("the fake engine cannot start"));
  ASSERT_TRUE(r.last_failure());
  EXPECT_THAT(r.last_failure()->detail(), HasSubstr("cannot start"));
  EXPECT_EQ(r.pid(), 0);
}

TEST_F(SupervisorTest, AModelThatCannotBeLoadedIsNotTriedAgain) {
  Replica& r = start("a", "fail_code=E3005");
  ASSERT_TRUE(until_state(r, ReplicaState::crash_loop));
  EXPECT_EQ(r.restarts(), 0);
  EXPECT_EQ(r.last_failure()->code(), base::ErrorCode::gguf_corrupt);
  EXPECT_EQ(r.last_failure()->next_step(), "Use another model.");
}

TEST_F(SupervisorTest, ARequestThatEndsTwoWorkersIsRefusedAndItsNeighbourIsNot) {
  Replica& r = start("a", "token_ms=2");
  ASSERT_TRUE(until_state(r, ReplicaState::ready));
  const std::string poison = R"({"messages":"POISON"})", innocent = R"({"stream":true,"max_tokens":2000})";
  const auto neighbour = call(r, innocent);
  ASSERT_TRUE(until([&] { return neighbour->events > 2; }));
  for (int round = 0; round < 2; ++round) {
    const auto bad = call(r, poison);
    ASSERT_TRUE(until([&] { return bad->over.load(); }));
    ASSERT_TRUE(until([&] { return r.restarts() == round + 1 && r.state() == ReplicaState::ready; }));
    EXPECT_EQ(r.last_exit()->cause, policy::Cause::crash);
  }
  const auto refused = call(r, poison);
  ASSERT_TRUE(until([&] { return refused->over.load(); }));
  EXPECT_EQ(refused->status, 422);
  const auto again = call(r, R"({"stream":true,"max_tokens":4})");
  ASSERT_TRUE(until([&] { return again->over.load(); }));
  EXPECT_EQ(again->status, 200);
  EXPECT_EQ(supervisor_->quarantine().strikes(loop_.now()).refuse.size(), 1u);
  EXPECT_EQ(r.restarts(), 2);
}

TEST_F(SupervisorTest, OtherReplicasHearOfARefusedRequest) {
  Replica& a = start("a", "");
  Replica& b = start("b", "");
  ASSERT_TRUE(until([&] { return a.state() == ReplicaState::ready && b.state() == ReplicaState::ready; }));
  const std::string poison = R"({"messages":"POISON"})";
  for (int round = 1; round <= 2; ++round) {
    const auto bad = call(a, poison);
    ASSERT_TRUE(until([&] { return a.restarts() == round && a.state() == ReplicaState::ready; }));
  }
  ASSERT_TRUE(until([&] {
    const auto refused = call(b, R"({"messages":"POISON"})");
    return until([&] { return refused->over.load(); }) && refused->status == 422;
  }));
  EXPECT_EQ(b.restarts(), 0);
}

TEST_F(SupervisorTest, DrainingFinishesWhatRunsThenTheProcessIsGone) {
  Replica& r = start("a", "token_ms=10");
  ASSERT_TRUE(until_state(r, ReplicaState::ready));
  const pid_t pid = r.pid();
  const auto stream = call(r, R"({"stream":true,"max_tokens":30})");
  ASSERT_TRUE(until([&] { return stream->events > 2; }));
  const StopReport report = stop("a", 20s);
  EXPECT_TRUE(report.drained);
  EXPECT_EQ(report.requests_cut, 0u);
  EXPECT_EQ(report.pid, pid);
  ASSERT_TRUE(until([&] { return stream->over.load(); }));
  EXPECT_THAT(stream->text, HasSubstr("[DONE]"));
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(supervisor_->find(base::ReplicaId("a")), nullptr);
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "run"));
}

TEST_F(SupervisorTest, AWorkerThatIgnoresTheDrainIsCutAtTheDeadlineAndTheCutIsCounted) {
  Replica& r = start("a", "token_ms=20 ignores_term");
  ASSERT_TRUE(until_state(r, ReplicaState::ready));
  const auto stream = call(r, R"({"stream":true,"max_tokens":100000})");
  ASSERT_TRUE(until([&] { return stream->events > 2 && r.beat().running == 1; }));
  const StopReport report = stop("a", 100ms);
  EXPECT_FALSE(report.drained);
  EXPECT_EQ(report.requests_cut, 1u);
}

TEST_F(SupervisorTest, GarbageOnTheControlSocketIsNoBeat) {
  silence_ = 200ms;
  supervisor_.reset();
  open();
  Replica& r = start("a", "garbage_control");
  EXPECT_EQ(r.state(), ReplicaState::starting) << "and it never becomes ready";
  const auto before = loop_.now();
  ASSERT_TRUE(until([&] { return loop_.now() - before > 300ms; }));
  EXPECT_EQ(r.state(), ReplicaState::starting);
}

TEST_F(SupervisorTest, AMissingWorkerProgramIsSaidAtOnce) {
  SupervisorOptions options;
  options.program = dir_ / "nothing";
  const auto made = Supervisor::open(loop_, options, metrics_, [](const Replica&) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), base::ErrorCode::worker_missing);
}

TEST_F(SupervisorTest, LeftoversAreEndedOnlyWhenTheyAreOurs) {
  Replica& ours = start("a", "");
  ASSERT_TRUE(until_state(ours, ReplicaState::ready));
  const auto file = dir_ / "list";
  ASSERT_TRUE(record_workers(file, {{ours.pid(), ours.start_ticks() + 1}, {::getpid(), 1}}));
  EXPECT_TRUE(end_leftovers(file).empty()) << "another process got the pid";
  ASSERT_TRUE(record_workers(file, {{ours.pid(), ours.start_ticks()}}));
  EXPECT_EQ(end_leftovers(file), std::vector<pid_t>{ours.pid()});
  EXPECT_FALSE(std::filesystem::exists(file));
  ASSERT_TRUE(until([&] { return ours.restarts() == 1; }));
}

}  // namespace
}  // namespace slipway::supervisor
