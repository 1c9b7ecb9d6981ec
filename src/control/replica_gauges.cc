#include "control/replica_gauges.h"

#include <algorithm>
#include <array>

#include "control/views.h"

namespace slipway::control {
namespace {

using domain::ReplicaState;
using telemetry::Metric;

constexpr std::array kStates{ReplicaState::pending,   ReplicaState::starting, ReplicaState::ready,
                             ReplicaState::draining,  ReplicaState::stopped,  ReplicaState::backoff,
                             ReplicaState::crash_loop};

}  // namespace

void ReplicaGauges::refresh() {
  std::erase_if(models_, [this](const std::string& model) {
    if (target_.find(model) != nullptr) return false;
    clear(model);
    return true;
  });
  for (const auto& [model, deployment] : target_.deployments()) {
    models_.insert(model);
    set(model, *deployment);
  }
}

void ReplicaGauges::set(const std::string& model, const Deployment& deployment) {
  metrics_.gauge(Metric::replicas_desired, {model}).set(deployment.resolved.spec.replicas);
  for (const ReplicaState state : kStates) {
    const auto in_state = std::ranges::count_if(deployment.replicas, [&](const DeployedReplica& deployed) {
      const supervisor::Replica* const replica = supervisor_.find(deployed.id);
      return replica != nullptr && replica->state() == state;
    });
    metrics_.gauge(Metric::replicas, {model, state_name(state)}).set(static_cast<double>(in_state));
  }
}

void ReplicaGauges::clear(const std::string& model) {
  metrics_.gauge(Metric::replicas_desired, {model}).clear();
  for (const ReplicaState state : kStates)
    metrics_.gauge(Metric::replicas, {model, state_name(state)}).clear();
}

}  // namespace slipway::control
