// One supervised replica: the same worker started again and again under one id, watched for token progress.
//
//   starting -> ready -> (ends unasked) -> backoff -> starting ... -> crash_loop
//   any -> draining -> stopped, when asked
// Why a worker ended, when it starts again and which requests get a strike is decided by policy/restart.
//
// Ownership: owns its worker process. Threads: the loop's, which must be the main thread's. Failure: a
// replica does not fail, its state says what happened; last_failure() is the coded error of the last unasked
// end. Bounds: last lines (output_tail.h), restarts (policy::RestartLimits).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/rng.h"
#include "domain/replica.h"
#include "io/event.h"
#include "policy/restart.h"
#include "supervisor/liveness.h"
#include "supervisor/output_tail.h"
#include "supervisor/quarantine.h"
#include "supervisor/worker_process.h"
#include "telemetry/metrics.h"

namespace slipway::supervisor {

struct ReplicaConfig {
  base::ReplicaId id;
  domain::LoadPlan plan;
  std::string program;  // slipway-worker
  std::string socket;
  int max_queue = 512;
  LivenessLimits liveness;
  policy::RestartLimits restart;
};

// What all replicas share; outlives them.
struct Shared {
  io::Loop& loop;
  Quarantine& quarantine;
  base::Rng& rng;
  telemetry::Registry& metrics;
};

struct LastExit {
  std::string words;  // "killed by SIGKILL"
  policy::Cause cause = policy::Cause::exited;
};

struct StopReport {
  pid_t pid = 0;         // 0: no process ran
  bool drained = false;  // it finished what it had
  std::uint32_t requests_cut = 0;
};

class Replica {
 public:
  enum class Change { state, progress, strikes };
  // `changed` runs on the loop and must not destroy the replica.
  Replica(Shared& shared, ReplicaConfig config, std::function<void(Replica&, Change)> changed);
  ~Replica();
  Replica(const Replica&) = delete;

  void start();
  // Looks at the clock: liveness, back-off. Call several times within the liveness limit.
  void tick(base::MonotonicTime now);
  // SIGTERM, then SIGKILL at the deadline. cut() brings the deadline to now. Once.
  io::Task<StopReport> stop(base::Deadline deadline);
  void cut();

  const ReplicaConfig& config() const { return config_; }
  const base::ReplicaId& id() const { return config_.id; }
  domain::ReplicaState state() const { return state_; }
  pid_t pid() const { return worker_ ? worker_->pid() : 0; }
  std::uint64_t start_ticks() const { return worker_ ? worker_->start_ticks() : 0; }
  base::MonotonicTime process_started() const { return process_started_; }
  int restarts() const { return restarts_; }
  const std::optional<domain::WorkerProgress>& progress() const { return progress_; }
  base::MonotonicTime phase_started() const { return phase_started_; }  // of progress()'s phase
  const domain::WorkerBeat& beat() const { return beat_; }
  const domain::ReplicaFacts& facts() const { return facts_; }
  const std::optional<LastExit>& last_exit() const { return last_exit_; }
  const std::optional<base::Error>& last_failure() const { return last_failure_; }
  base::MonotonicTime next_start() const { return next_start_; }  // in back-off
  std::vector<std::string> last_lines() const { return output_.last_lines(); }

 private:
  void launch();
  void on_message(const domain::WorkerMessage& message);
  void on_garbage(const base::Error& error);
  void on_ended(io::ExitStatus status);
  bool strike(policy::Cause cause);  // true: the list of strikes changed
  void give_back_off(const policy::CauseReport& report, base::Duration ready_for, base::MonotonicTime now);
  void judge_stuck(const std::string& why);
  base::Error failure(const policy::CauseReport& report) const;
  void enter(domain::ReplicaState state);

  Shared& shared_;
  const ReplicaConfig config_;
  const std::function<void(Replica&, Change)> changed_;
  domain::ReplicaState state_ = domain::ReplicaState::pending;
  OutputTail output_;
  policy::RestartHistory history_;
  int restarts_ = 0;
  std::optional<LastExit> last_exit_;
  std::optional<base::Error> last_failure_;
  base::MonotonicTime next_start_{};
  base::Deadline stop_deadline_;
  io::Event ended_;

  // Of the running process.
  std::unique_ptr<WorkerProcess> worker_;
  std::optional<Liveness> liveness_;
  base::MonotonicTime process_started_{}, ready_at_{}, phase_started_{};
  std::optional<domain::WorkerProgress> progress_;
  std::optional<domain::WorkerFailed> failed_;
  domain::WorkerBeat beat_;
  domain::ReplicaFacts facts_;
  std::uint64_t oom_kills_before_ = 0;
  int garbage_lines_ = 0;
  bool stuck_ = false;           // we killed it for making no progress
  bool held_by_others_ = false;  // it was stopped (SIGSTOP, a debugger): its requests are not to blame
};

}  // namespace slipway::supervisor
