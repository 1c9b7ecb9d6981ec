// Samples counters once a second and answers `slipway top`.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "control/rates.h"
#include "control/target.h"
#include "telemetry/metrics.h"

namespace slipway::control {

// Threads: the loop's. Ownership: its parts outlive it.
class Top {
 public:
  Top(const LocalTarget& target, supervisor::Supervisor& supervisor, telemetry::Registry& metrics)
      : target_(target), supervisor_(supervisor), metrics_(metrics) {}
  // Call once a second.
  void sample(base::MonotonicTime now);
  nlohmann::json json(base::WallTime now) const;

 private:
  Sample take(const std::string& id, const Deployment& deployment, base::MonotonicTime now) const;
  const LocalTarget& target_;
  supervisor::Supervisor& supervisor_;
  telemetry::Registry& metrics_;
  std::map<std::string, RateWindow> windows_;  // by model id
};

}  // namespace slipway::control
