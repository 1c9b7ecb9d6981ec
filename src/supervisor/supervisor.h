// All replicas of one daemon: makes them, ticks them, tells every worker about strikes, ends them.
//
// How many replicas there should be is not decided here. Ownership: owns the replicas; destroying it kills
// their workers. Threads: the loop's (the main thread's), except quarantine().refused(). Bounds:
// kMaxReplicas.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "domain/replica.h"
#include "io/http.h"
#include "supervisor/leftovers.h"
#include "supervisor/replica.h"

namespace slipway::supervisor {

struct SupervisorOptions {
  std::filesystem::path program;    // slipway-worker
  std::filesystem::path sockets;    // a directory of ours alone: emptied at start and at the end
  std::filesystem::path leftovers;  // a file, see leftovers.h; in the runtime directory
  int max_queue = 512;
  LivenessLimits liveness;
  policy::RestartLimits restart;
};

class Supervisor {
 public:
  // Ends leftovers of a killed daemon. `changed` runs on the loop after a replica's state or progress
  // changed.
  static base::Result<std::unique_ptr<Supervisor>> open(io::Loop& loop, SupervisorOptions options,
                                                        telemetry::Registry& metrics,
                                                        std::function<void(const Replica&)> changed);
  ~Supervisor();

  // Makes a replica and starts its worker. The id must be new.
  Replica& start(const base::ReplicaId& id, domain::LoadPlan plan);
  // nullptr: no such replica.
  Replica* find(const base::ReplicaId& id);
  // Drains, then forgets the replica.
  io::Task<StopReport> stop(base::ReplicaId id, base::Deadline deadline);
  // Every drain that is under way ends now.
  void cut_all();

  const std::map<base::ReplicaId, std::unique_ptr<Replica>>& replicas() const { return replicas_; }
  const Quarantine& quarantine() const { return quarantine_; }
  const SupervisorOptions& options() const { return options_; }

 private:
  Supervisor(io::Loop& loop, SupervisorOptions options, telemetry::Registry& metrics,
             std::function<void(const Replica&)> changed);
  void tick();
  void on_change(Replica& replica, Replica::Change change);
  void tell_strikes();
  io::Task<> send_strikes(io::Endpoint endpoint, std::string body);
  std::filesystem::path socket_of(const base::ReplicaId& id) const;
  void record();

  io::Loop& loop_;
  const SupervisorOptions options_;
  const std::function<void(const Replica&)> changed_;
  Quarantine quarantine_;
  base::Rng rng_;
  Shared shared_;
  io::HttpClient client_;
  std::map<base::ReplicaId, std::unique_ptr<Replica>> replicas_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for calls that outlive us on the loop
};

}  // namespace slipway::supervisor
