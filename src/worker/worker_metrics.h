// The worker's own metrics (telemetry/metrics.def), fed when requests end and when somebody scrapes.
// Threads: the HTTP loop's only. The Registry outlives it.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "domain/model.h"
#include "domain/replica.h"
#include "engine/engine.h"
#include "telemetry/metrics.h"
#include "worker/answer.h"

namespace slipway::worker {

// The engine's steps go into the registry; from the loop thread.
void watch_steps(telemetry::Registry& registry, const std::string& model, engine::LoadHooks& hooks);

class WorkerMetrics {
 public:
  WorkerMetrics(telemetry::Registry& registry, const domain::LoadPlan& plan,
                const domain::ReplicaFacts& facts);

  // A request that the engine took, at its end. `received`: its last byte came.
  void finished(const Answer& answer, std::string_view operation, base::MonotonicTime received,
                base::MonotonicTime now);
  // One that was refused before the engine took it.
  void refused(const base::Error& error);
  // Brings the gauges up to date and prints everything, vLLM's names included.
  std::string scrape(const engine::Stats& stats);

 private:
  void latencies(const Answer& answer, std::string_view operation, base::MonotonicTime received,
                 base::MonotonicTime now);

  telemetry::Registry& registry_;
  const std::string model_;
  std::uint64_t preemptions_ = 0;  // as last seen in the engine's statistics
};

}  // namespace slipway::worker
