// The local target with real processes: tests/fake_worker in the place of slipway-worker, files from this
// machine.
#include "control/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "control/replica_gauges.h"
#include "control/snapshot.h"
#include "control/testing.h"
#include "control/views.h"

namespace slipway::control {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

const store::Actor kBy{.via = "control", .uid = 1000, .pid = 4711};

class TargetTest : public ::testing::Test {
 protected:
  TargetTest() {
    char name[] = "/tmp/slipway-control-XXXXXX";
    dir_ = ::mkdtemp(name);
    open();
  }
  ~TargetTest() override {
    close();
    std::filesystem::remove_all(dir_);
  }

  void open() {
    loop_ = std::make_unique<io::Loop>("test");
    const io::Paths paths{dir_ / "config", dir_ / "data", dir_ / "state", dir_ / "run"};
    auto environment = store::Environment::open(paths, "local", base::wall_now());
    ASSERT_TRUE(environment) << environment.error().to_string();
    environment_.emplace(std::move(*environment));
    auto models = store::ModelStore::open(dir_ / "models", {});
    ASSERT_TRUE(models) << models.error().to_string();
    models_.emplace(std::move(*models));
    supervisor::SupervisorOptions options;
    options.program = SLIPWAY_FAKE_WORKER;
    options.sockets = dir_ / "workers";
    options.leftovers = dir_ / "workers.pids";
    options.restart.first_delay = options.restart.max_delay = 1ms;
    auto supervisor =
        supervisor::Supervisor::open(*loop_, options, metrics_, [this](const supervisor::Replica& r) {
          if (target_) target_->on_replica(r);
        });
    ASSERT_TRUE(supervisor) << supervisor.error().to_string();
    supervisor_ = std::move(*supervisor);
    target_ = std::make_unique<LocalTarget>(
        TargetParts{*loop_, *supervisor_, *environment_, *models_, codec::built_in_catalog(), snapshot_,
                    [this] { return gpus_; }},
        [this](const std::string& id, const Deployment& d) {
          return model_json(id, d, *supervisor_, "http://x", loop_->now());
        });
  }
  void close() {
    loop_->stop();
    target_.reset();
    supervisor_.reset();
    loop_.reset();
    models_.reset();
    environment_.reset();
  }

  Asked values(const std::string& service, const std::string& switches = "", int replicas = 1,
               const std::string& accelerator = "cpu") {
    const auto file = dir_ / (service + std::to_string(++files_) + ".gguf");
    testing::TinyGguf(switches).write(file);
    return {.values = "model: file:" + file.string() + "\ninference:\n  serviceName: " + service +
                      "\n  accelerator: " + accelerator +
                      "\n  framework: llama-cpp\n  modelServer:\n    deployment:\n      replicas: " +
                      std::to_string(replicas) + "\n",
            .source = "test.yaml",
            .name = {},
            .replicas = {}};
  }

  template <class F>
  ::testing::AssertionResult until(F condition) {
    const auto end = base::monotonic_now() + 30s;
    loop_->context().restart();
    while (!condition()) {
      if (base::monotonic_now() > end) return ::testing::AssertionFailure() << "not within 30 s";
      loop_->context().run_one_for(10ms);
    }
    return ::testing::AssertionSuccess();
  }
  OperationPtr deploy(const Asked& asked) { return target_->deploy(asked, kBy); }
  OperationPtr undeploy(const std::string& id, base::Duration drain) {
    return target_->undeploy(id, drain, kBy);
  }
  OperationPtr finish(OperationPtr operation) {
    EXPECT_TRUE(until([&] { return operation->over(); }));
    return operation;
  }
  const domain::Model* published(const std::string& id) {
    seen_ = snapshot_.load();
    return seen_->find(id);
  }
  static int ready(const domain::Model& model) {
    return static_cast<int>(
        std::ranges::count(model.replicas, domain::ReplicaState::ready, &domain::Replica::state));
  }

  std::filesystem::path dir_;
  int files_ = 0;
  std::vector<domain::Gpu> gpus_;
  telemetry::Registry metrics_;
  base::Published<domain::Snapshot> snapshot_;
  std::shared_ptr<const domain::Snapshot> seen_;
  std::unique_ptr<io::Loop> loop_;
  std::optional<store::Environment> environment_;
  std::optional<store::ModelStore> models_;
  std::unique_ptr<supervisor::Supervisor> supervisor_;
  std::unique_ptr<LocalTarget> target_;
};

TEST_F(TargetTest, ADeployEndsWhenEveryReplicaIsReadyAndIsPublishedAndStored) {
  const auto op = deploy(values("two", "load_ms=50", 2));
  ASSERT_NE(published("two"), nullptr) << "clients hear that it is coming";
  EXPECT_NE(published("two")->unready_reason, "");
  finish(op);
  ASSERT_FALSE(op->error()) << op->error()->to_string();
  EXPECT_EQ(op->result()["state"], "ready");
  const domain::Model* model = published("two");
  EXPECT_EQ(ready(*model), 2);
  EXPECT_EQ(model->unready_reason, "");
  EXPECT_NE(model->replicas[0].slot, model->replicas[1].slot);
  EXPECT_EQ(environment_->deployments()->size(), 1u);
}

TEST_F(TargetTest, AModelForAGpuTakesItsMemoryAndOneForTheProcessorStaysOff) {
  gpus_ = {{"CUDA0", "NVIDIA X", 24'000'000'000, 23'000'000'000}};
  close();
  open();
  const auto on_gpu = finish(deploy(values("fast", "", 2, "gpu")));
  ASSERT_FALSE(on_gpu->error()) << on_gpu->error()->to_string();
  std::uint64_t taken = 0;
  for (const DeployedReplica& r : target_->find("fast")->replicas) {
    EXPECT_EQ(r.plan.load.device, "CUDA0");
    EXPECT_EQ(r.plan.load.parallel, policy::kMaxParallel);
    EXPECT_TRUE(r.plan.load.processors.empty());
    taken += r.plan.gpu_bytes;
  }
  EXPECT_EQ(target_->ground().gpus[0].free_bytes, 23'000'000'000 - taken);
  const auto off_gpu = finish(deploy(values("slow")));
  ASSERT_FALSE(off_gpu->error()) << off_gpu->error()->to_string();
  EXPECT_EQ(target_->find("slow")->replicas[0].plan.load.device, "cpu");
  EXPECT_EQ(target_->find("slow")->replicas[0].plan.gpu_bytes, 0u);
  EXPECT_EQ(target_->ground().gpus[0].free_bytes, 23'000'000'000 - taken);
}

TEST_F(TargetTest, AModelDeployedByItsNameUsesAGpuWhereThereIsOne) {
  EXPECT_EQ(resolve({.values = {}, .source = "catalogue", .name = "smollm2-135m", .replicas = {}},
                    codec::built_in_catalog(), {}, {})
                ->spec.accelerator,
            domain::Accelerator::cpu);
  const domain::Gpu gpu{"CUDA0", "NVIDIA X", 24'000'000'000, 23'000'000'000};
  EXPECT_EQ(resolve({.values = {}, .source = "catalogue", .name = "smollm2-135m", .replicas = {}},
                    codec::built_in_catalog(), {}, std::span(&gpu, 1))
                ->spec.accelerator,
            domain::Accelerator::gpu);
}

TEST_F(TargetTest, GaugesSayHowManyReplicasAreInEachStateAsLongAsTheModelIsThere) {
  ReplicaGauges gauges(*target_, *supervisor_, metrics_);
  finish(deploy(values("two", "", 2)));
  gauges.refresh();
  const std::string with = metrics_.render(false);
  EXPECT_THAT(with, HasSubstr("slipway_replicas_desired{model=\"two\"} 2\n"));
  EXPECT_THAT(with, HasSubstr("slipway_replicas{model=\"two\",state=\"ready\"} 2\n"));
  EXPECT_THAT(with, HasSubstr("slipway_replicas{model=\"two\",state=\"crash_loop\"} 0\n"));
  finish(undeploy("two", 1s));
  gauges.refresh();
  EXPECT_THAT(metrics_.render(false), Not(HasSubstr("model=\"two\",state=")));
}

TEST_F(TargetTest, TheSameDeployAgainChangesNothingAndOneUnderWayIsJoined) {
  const Asked asked = values("a", "load_ms=100");
  const auto first = deploy(asked);
  EXPECT_EQ(deploy(asked), first);
  finish(first);
  const auto id = published("a")->replicas[0].id;
  const auto again = deploy(asked);
  EXPECT_TRUE(again->over());
  EXPECT_FALSE(again->error());
  EXPECT_EQ(published("a")->replicas[0].id, id);
}

TEST_F(TargetTest, OtherValuesReplaceAModelWithoutAGap) {
  finish(deploy(values("a")));
  const auto before = published("a")->replicas[0].id;
  const auto op = deploy(values("a", "load_ms=50"));
  ASSERT_TRUE(until([&] {
    EXPECT_EQ(ready(*published("a")), 1) << "somebody is always ready";
    return op->over();
  }));
  ASSERT_FALSE(op->error()) << op->error()->to_string();
  EXPECT_NE(published("a")->replicas[0].id, before);
  EXPECT_EQ(supervisor_->replicas().size(), 1u);
}

TEST_F(TargetTest, ADeployThatCannotStartIsTakenBackWithTheWorkersOwnWords) {
  const auto op = finish(deploy(values("a", "fail_code=E4005")));
  ASSERT_TRUE(op->error());
  EXPECT_EQ(op->error()->code(), base::ErrorCode::load_failed);
  EXPECT_THAT(op->error()->message(), HasSubstr("does not like this model"));
  EXPECT_EQ(published("a"), nullptr);
  EXPECT_TRUE(supervisor_->replicas().empty());
  EXPECT_TRUE(environment_->deployments()->empty());
}

TEST_F(TargetTest, AFailedReplacementLeavesTheOldOneServing) {
  finish(deploy(values("a")));
  const auto before = published("a")->replicas[0].id;
  EXPECT_TRUE(finish(deploy(values("a", "exit_at_start=3")))->error());
  ASSERT_NE(published("a"), nullptr);
  EXPECT_EQ(published("a")->replicas[0].id, before);
  EXPECT_EQ(ready(*published("a")), 1);
}

TEST_F(TargetTest, ACorruptFileIsRefusedBeforeAnyWorkerSeesIt) {
  Asked asked = values("a");
  const auto file = dir_ / ("a" + std::to_string(files_) + ".gguf");
  std::filesystem::resize_file(file, 100);
  const auto op = finish(deploy(asked));
  ASSERT_TRUE(op->error());
  EXPECT_EQ(op->error()->code(), base::ErrorCode::gguf_corrupt);
  EXPECT_THAT(op->error()->message(), HasSubstr("offset"));
  EXPECT_EQ(published("a"), nullptr);
}

TEST_F(TargetTest, UndeployStopsRoutingBeforeItDrains) {
  finish(deploy(values("a", "ignores_term")));
  const auto op = undeploy("a", 200ms);
  ASSERT_TRUE(until([&] { return published("a") == nullptr; }));
  EXPECT_EQ(supervisor_->replicas().size(), 1u) << "it still drains";
  finish(op);
  EXPECT_EQ(op->result()["replicas"], 1);
  EXPECT_TRUE(supervisor_->replicas().empty());
  EXPECT_TRUE(environment_->deployments()->empty());
}

TEST_F(TargetTest, UndeployEndsADeployThatIsUnderWay) {
  const auto first = deploy(values("a", "load_hangs"));
  ASSERT_TRUE(until([&] { return !supervisor_->replicas().empty(); }));
  const auto op = finish(undeploy("a", 1s));
  ASSERT_TRUE(first->over());
  EXPECT_EQ(first->error()->code(), base::ErrorCode::interrupted);
  EXPECT_FALSE(op->error());
  EXPECT_TRUE(supervisor_->replicas().empty());
  EXPECT_EQ(undeploy("a", 1s)->error()->code(), base::ErrorCode::unknown_model);
}

// The audit log's records, as "action subject outcome".
std::vector<std::string> recorded(const store::Environment& environment) {
  std::vector<std::string> out;
  const auto check = environment.audit().check([&out](const store::AuditRecord& record) {
    const auto value = nlohmann::json::parse(record.text);
    EXPECT_EQ(value["by"], (nlohmann::json{{"via", "control"}, {"uid", 1000}, {"pid", 4711}}));
    out.push_back(value["action"].get<std::string>() + " " + value["subject"].get<std::string>() + " " +
                  value["outcome"].get<std::string>());
  });
  EXPECT_TRUE(check && check->broken == 0);
  return out;
}

TEST_F(TargetTest, WhatIsAskedIsInTheAuditLogWithItsOutcome) {
  const Asked asked = values("a", "load_ms=50");
  const auto first = deploy(asked);
  deploy(asked);
  finish(first);
  deploy(asked);
  finish(deploy(values("a", "fail_code=E4005")));
  deploy({.values = "model: [", .source = "bad.yaml", .name = {}, .replicas = {}});
  undeploy("b", 1s);
  finish(undeploy("a", 1s));
  EXPECT_THAT(recorded(*environment_),
              ElementsAre("deploy a begun", "deploy a joined", "deploy a done", "deploy a unchanged",
                          "deploy a begun", "deploy a load_failed", "deploy bad.yaml syntax",
                          "undeploy b unknown_model", "undeploy a done"));
}

TEST_F(TargetTest, TheAuditLogHasTheHashOfValuesAndNotTheirSecrets) {
  Asked asked = values("a");
  asked.values += "    env:\n      HF_TOKEN: a canary\n";
  finish(deploy(asked));
  ASSERT_TRUE(environment_->audit().check([&asked](const store::AuditRecord& record) {
    EXPECT_THAT(record.text, Not(HasSubstr("canary")));
    EXPECT_EQ(nlohmann::json::parse(record.text)["details"]["values"], store::audit_hash(asked.values));
  }));
}

TEST_F(TargetTest, ARestartAsksForNothing) {
  finish(deploy(values("a")));
  const auto before = recorded(*environment_);
  close();
  open();
  target_->restore({});
  ASSERT_TRUE(until([&] { return target_->operations().empty(); }));
  EXPECT_EQ(recorded(*environment_), before);
}

TEST_F(TargetTest, WhatCannotBeRecordedIsRefused) {
  finish(deploy(values("a")));
  ASSERT_TRUE(
      environment_->database().execute("CREATE TRIGGER full BEFORE INSERT ON audit "
                                       "BEGIN SELECT RAISE(ABORT, 'no room'); END"));
  EXPECT_TRUE(deploy(values("b"))->error());
  EXPECT_EQ(target_->find("b"), nullptr);
  EXPECT_TRUE(finish(undeploy("a", 1s))->error());
  EXPECT_NE(published("a"), nullptr);
  EXPECT_EQ(environment_->deployments()->size(), 1u);
}

TEST_F(TargetTest, ARehearsalSaysEverythingAndChangesNothing) {
  const auto op =
      target_->rehearse({.values = {}, .source = "catalogue", .name = "smollm2-135m", .replicas = 2});
  ASSERT_TRUE(op->over());
  ASSERT_FALSE(op->error()) << op->error()->to_string();
  EXPECT_EQ(op->result()["state"], "planned");
  EXPECT_EQ(op->result()["replicas_wanted"], 2);
  EXPECT_EQ(published("smollm2-135m"), nullptr);
  const auto unknown =
      target_->rehearse({.values = {}, .source = "catalogue", .name = "smolm2-135m", .replicas = {}});
  EXPECT_EQ(unknown->error()->code(), base::ErrorCode::model_unknown);
}

TEST_F(TargetTest, WhatWasDeployedStartsAgainAfterARestart) {
  finish(deploy(values("a", "", 2)));
  close();
  open();
  target_->restore({});
  ASSERT_TRUE(until([&] { return published("a") != nullptr && ready(*published("a")) == 2; }));
}

TEST_F(TargetTest, AStoredModelThatCannotStartStaysAndSaysWhy) {
  finish(deploy(values("a")));
  std::filesystem::remove_all(dir_ / "models");
  for (int i = 1; i <= files_; ++i) std::filesystem::remove(dir_ / ("a" + std::to_string(i) + ".gguf"));
  close();
  open();
  target_->restore({});
  ASSERT_TRUE(until([&] { return target_->operations().empty(); }));
  ASSERT_NE(published("a"), nullptr);
  EXPECT_NE(published("a")->unready_reason, "");
  EXPECT_TRUE(target_->find("a")->failure);
  EXPECT_EQ(environment_->deployments()->size(), 1u);
}

TEST_F(TargetTest, AtTheEndEveryReplicaStopsAndTheDeploymentsStayStored) {
  finish(deploy(values("a")));
  finish(deploy(values("b", "", 2)));
  std::optional<std::vector<StoppedReplica>> stopped;
  loop_->spawn([](LocalTarget& t, std::optional<std::vector<StoppedReplica>>& out) -> io::Task<> {
    out = co_await t.stop_all(base::Deadline::after(20s));
  }(*target_, stopped));
  ASSERT_TRUE(until([&] { return stopped.has_value(); }));
  EXPECT_EQ(stopped->size(), 3u);
  for (const StoppedReplica& s : *stopped) {
    EXPECT_TRUE(s.report.drained);
    EXPECT_EQ(::kill(s.report.pid, 0), -1);
  }
  EXPECT_EQ(environment_->deployments()->size(), 2u);
  EXPECT_EQ(deploy(values("c"))->error()->code(), base::ErrorCode::draining);
}

TEST(Unready, SaysWhatIsLeftInWordsAClientCanShow) {
  const Unready loading = unready({.state = domain::ReplicaState::starting,
                                   .progress = domain::WorkerProgress{"weights", 62, 100, "bytes"},
                                   .in_phase = 6200ms,
                                   .until_start = {},
                                   .last_exit = {}});
  EXPECT_EQ(loading.words, "loading weights, 62 %, about 3.8 s left");
  EXPECT_GT(loading.retry_after, 3s);
  const Unready waiting = unready({.state = domain::ReplicaState::backoff,
                                   .progress = {},
                                   .in_phase = {},
                                   .until_start = 4s,
                                   .last_exit = "ended by signal 9 (SIGKILL)"});
  EXPECT_THAT(waiting.words, HasSubstr("restarting in 4"));
  EXPECT_EQ(unready({}).words, "starting");
}

}  // namespace
}  // namespace slipway::control
