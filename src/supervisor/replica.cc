#include "supervisor/replica.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <csignal>

#include "io/proc.h"
#include "telemetry/log.h"

namespace slipway::supervisor {

using base::Error;
using domain::ReplicaState;
using telemetry::Level, telemetry::Metric;

Replica::Replica(Shared& shared, ReplicaConfig config, std::function<void(Replica&, Change)> changed)
    : shared_(shared),
      config_(std::move(config)),
      changed_(std::move(changed)),
      output_(config_.id.str(), config_.plan.model_id) {}

Replica::~Replica() {
  ::unlink(config_.socket.c_str());
}

void Replica::enter(ReplicaState state) {
  state_ = state;
  changed_(*this, Change::state);
}

void Replica::start() {
  if (state_ == ReplicaState::pending) launch();
}

void Replica::launch() {
  const base::MonotonicTime now = shared_.loop.now();
  progress_.reset();
  failed_.reset();
  beat_ = {};
  stuck_ = held_by_others_ = false;
  garbage_lines_ = 0;
  process_started_ = phase_started_ = now;
  ready_at_ = {};
  oom_kills_before_ = io::oom_kill_count();
  liveness_.emplace(config_.liveness, now);
  shared_.metrics.counter(Metric::replica_starts, {config_.plan.model_id}).add();

  codec::WorkerArguments arguments;
  arguments.plan = config_.plan;
  arguments.max_queue = config_.max_queue;
  arguments.strikes = shared_.quarantine.strikes(now);
  auto worker = WorkerProcess::start(shared_.loop, {config_.program, config_.socket, std::move(arguments)},
                                     {.message = [this](const auto& message) { on_message(message); },
                                      .garbage = [this](const auto& error) { on_garbage(error); },
                                      .output = [this](auto line) { output_.line(line, shared_.loop.now()); },
                                      .ended = [this](auto status) { on_ended(status); }});
  if (worker) {
    worker_ = std::move(*worker);
    return enter(ReplicaState::starting);
  }
  const Error& error = worker.error();
  output_.line(error.to_string(), now);
  failed_ = {base::code_name(error.code()), error.message(), std::string(error.next_step())};
  on_ended({.code = 127});
}

void Replica::on_message(const domain::WorkerMessage& message) {
  const base::MonotonicTime now = shared_.loop.now();
  liveness_->heard(message, now);
  if (const auto* beat = std::get_if<domain::WorkerBeat>(&message)) {
    beat_ = *beat;
  } else if (const auto* progress = std::get_if<domain::WorkerProgress>(&message)) {
    if (!progress_ || progress_->phase != progress->phase) phase_started_ = now;
    progress_ = *progress;
    changed_(*this, Change::progress);
  } else if (const auto* failed = std::get_if<domain::WorkerFailed>(&message)) {
    failed_ = *failed;
  } else if (const auto* ready = std::get_if<domain::WorkerReady>(&message);
             ready && state_ == ReplicaState::starting) {
    facts_ = ready->facts;
    progress_.reset();
    ready_at_ = now;
    shared_.metrics.histogram(Metric::replica_ready_seconds, {config_.plan.model_id})
        .observe(base::seconds(now - process_started_));
    telemetry::log(Level::info, "replica_ready",
                   fmt::format("ready after {}", base::human_duration(now - process_started_)),
                   {{"replica", id().str()}, {"model", config_.plan.model_id}});
    enter(ReplicaState::ready);
  }
}

void Replica::on_garbage(const Error& error) {
  constexpr int kReported = 3;  // of one process
  if (++garbage_lines_ > kReported) return;
  telemetry::log(Level::error, "worker_protocol", error.message(),
                 {{"replica", id().str()}, {"model", config_.plan.model_id}});
}

void Replica::tick(base::MonotonicTime now) {
  if (state_ == ReplicaState::backoff && now >= next_start_) {
    ++restarts_;
    shared_.metrics
        .counter(Metric::replica_restarts, {config_.plan.model_id, policy::to_string(last_exit_->cause)})
        .add();
    return launch();
  }
  if (!worker_ || stuck_) return;
  if (stop_deadline_.passed(now)) return worker_->signal(SIGKILL);
  if (const auto why = liveness_->check(now)) judge_stuck(*why);
}

void Replica::judge_stuck(const std::string& why) {
  const std::string evidence = io::process_evidence(worker_->pid());
  held_by_others_ = evidence.contains("state T") || evidence.contains("state t");
  stuck_ = true;
  telemetry::log(Level::error, "no_progress", why,
                 {{"replica", id().str()}, {"model", config_.plan.model_id}, {"evidence", evidence}});
  output_.line(why, shared_.loop.now());
  worker_->signal(SIGKILL);
}

void Replica::on_ended(io::ExitStatus status) {
  const base::MonotonicTime now = shared_.loop.now();
  const bool asked = state_ == ReplicaState::draining;
  const bool was_ready = ready_at_ != base::MonotonicTime{};
  const policy::WorkerEnd end{.status = status.code,
                              .signal = status.signal,
                              .asked = asked,
                              .stuck = stuck_,
                              .was_ready = was_ready,
                              .oom_kills = io::oom_kill_count() - oom_kills_before_,
                              .failed_code = failed_ ? failed_->code : "",
                              .failed_message = failed_ ? failed_->message : "",
                              .last_lines = output_.last_lines()};
  const policy::CauseReport report = policy::classify(end);
  const bool struck = !asked && strike(report.cause);
  worker_.reset();
  progress_.reset();
  if (asked) {
    enter(ReplicaState::stopped);
    return ended_.notify();
  }
  last_exit_ = {report.words, report.cause};
  last_failure_ = failure(report);
  give_back_off(report, was_ready ? now - ready_at_ : base::Duration::zero(), now);
  if (struck) changed_(*this, Change::strikes);
}

bool Replica::strike(policy::Cause cause) {
  using enum policy::Cause;
  const bool request_to_blame =
      cause == crash || cause == exited || cause == out_of_memory || cause == no_progress;
  if (!worker_ || !request_to_blame || held_by_others_) return false;
  const std::vector<std::uint64_t> running = read_crash_page(worker_->crash_page());
  if (running.empty()) return false;
  const std::vector<std::uint64_t> refused = shared_.quarantine.strike(running, shared_.loop.now());
  shared_.metrics.counter(Metric::quarantined, {config_.plan.model_id}).add(refused.size());
  telemetry::log(
      Level::warn, "strike",
      fmt::format("{} requests were in the step that ended the worker; {} of them are refused for {}",
                  running.size(), refused.size(), base::human_duration(policy::kQuarantine)),
      {{"replica", id().str()}, {"model", config_.plan.model_id}});
  return true;
}

void Replica::give_back_off(const policy::CauseReport& report, base::Duration ready_for,
                            base::MonotonicTime now) {
  const auto decision =
      policy::decide_restart(history_, report, ready_for, now, shared_.rng, config_.restart);
  next_start_ = now + decision.delay;
  telemetry::log(Level::error, "worker_ended", decision.reason,
                 {{"replica", id().str()},
                  {"model", config_.plan.model_id},
                  {"cause", policy::to_string(report.cause)},
                  {"last_lines", fmt::format("{}", fmt::join(output_.last_lines(), "\n"))}});
  enter(decision.restart ? ReplicaState::backoff : ReplicaState::crash_loop);
}

Error Replica::failure(const policy::CauseReport& report) const {
  const std::string lines = fmt::format("{}", fmt::join(output_.last_lines(), "\n"));
  const base::ErrorInfo* const row = failed_ ? base::find_error(failed_->code) : nullptr;
  if (row == nullptr || failed_->message.empty())
    return Error(policy::code_of(report.cause), fmt::format("replica {} {}", id().str(), report.words))
        .with_detail(lines);
  return Error(row->code, failed_->message).with_next(failed_->next).with_detail(lines);
}

io::Task<StopReport> Replica::stop(base::Deadline deadline) {
  StopReport report{.pid = pid()};
  if (!worker_) {
    enter(ReplicaState::stopped);
    report.drained = true;
    co_return report;
  }
  stop_deadline_ = deadline;
  worker_->signal(SIGTERM);
  enter(ReplicaState::draining);
  while (worker_ && co_await ended_.wait_until(stop_deadline_.at())) {
  }
  if (!worker_) {
    report.drained = true;
    co_return report;
  }
  report.requests_cut = beat_.running + beat_.waiting;
  worker_->signal(SIGKILL);
  while (worker_) co_await ended_.wait();
  co_return report;
}

void Replica::cut() {
  stop_deadline_ = base::Deadline(base::MonotonicTime::min());
  ended_.notify();
}

}  // namespace slipway::supervisor
