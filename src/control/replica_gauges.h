// slipway_replicas{model,state} and slipway_replicas_desired{model}, brought up to date once a second.
#pragma once

#include <set>
#include <string>

#include "control/target.h"
#include "telemetry/metrics.h"

namespace slipway::control {

// Threads: the loop's. Ownership: its parts outlive it. A model that is gone has no series any more.
class ReplicaGauges {
 public:
  ReplicaGauges(const LocalTarget& target, supervisor::Supervisor& supervisor, telemetry::Registry& metrics)
      : target_(target), supervisor_(supervisor), metrics_(metrics) {}
  void refresh();

 private:
  void set(const std::string& model, const Deployment& deployment);
  void clear(const std::string& model);

  const LocalTarget& target_;
  supervisor::Supervisor& supervisor_;
  telemetry::Registry& metrics_;
  std::set<std::string> models_;  // that have series
};

}  // namespace slipway::control
