// What the gateway is told: the immutable Snapshot made from deployments and their replicas. Pure but for the
// supervisor's state that it reads.
#pragma once

#include <map>
#include <string>

#include "base/time.h"
#include "control/target.h"
#include "domain/replica.h"
#include "supervisor/supervisor.h"

namespace slipway::control {

// One replica as the unready words see it.
struct Waiting {
  domain::ReplicaState state = domain::ReplicaState::pending;
  std::optional<domain::WorkerProgress> progress;
  base::Duration in_phase{};     // how long the progress's phase has lasted
  base::Duration until_start{};  // in back-off
  std::string last_exit;
};
struct Unready {
  std::string words;  // "loading weights, 62 %, about 4 s left"
  base::Duration retry_after = std::chrono::seconds(1);
};
Unready unready(const Waiting& w);

domain::Model snapshot_model(const std::string& id, const Deployment& deployment,
                             supervisor::Supervisor& supervisor, base::MonotonicTime now);

}  // namespace slipway::control
