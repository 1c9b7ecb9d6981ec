#include "control/snapshot.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::control {
namespace {

using domain::ReplicaState;

std::string_view phase_words(std::string_view phase) {
  if (phase == "weights") return "loading weights";
  if (phase == "context") return "preparing the context";
  if (phase == "warmup") return "warming up";
  return "starting";
}

Waiting waiting_of(const supervisor::Replica& r, base::MonotonicTime now) {
  return {.state = r.state(),
          .progress = r.progress(),
          .in_phase = now - r.phase_started(),
          .until_start = std::max(base::Duration::zero(), r.next_start() - now),
          .last_exit = r.last_exit() ? r.last_exit()->words : ""};
}

// A replica that is further on its way comes first.
int rank(ReplicaState state) {
  switch (state) {
    case ReplicaState::starting:
      return 0;
    case ReplicaState::pending:
      return 1;
    case ReplicaState::backoff:
      return 2;
    default:
      return 3;
  }
}

}  // namespace

Unready unready(const Waiting& w) {
  using std::chrono::seconds;
  if (w.state == ReplicaState::backoff)
    return {fmt::format("restarting in {} after it {}", base::human_duration(w.until_start), w.last_exit),
            w.until_start + seconds(1)};
  if (w.state == ReplicaState::crash_loop)
    return {fmt::format("its replicas keep ending ({}); `slipway logs` shows why", w.last_exit), seconds(30)};
  if (!w.progress) return {"starting"};
  const std::string_view doing = phase_words(w.progress->phase);
  if (w.progress->total == 0 || w.progress->done == 0) return {std::string(doing)};
  const double share =
      std::min(1.0, static_cast<double>(w.progress->done) / static_cast<double>(w.progress->total));
  const auto left = std::chrono::duration_cast<base::Duration>(w.in_phase * ((1 - share) / share));
  return {fmt::format("{}, {:.0f} %, about {} left", doing, 100 * share, base::human_duration(left)),
          std::max<base::Duration>(left, seconds(1))};
}

domain::Model snapshot_model(const std::string& id, const Deployment& d, supervisor::Supervisor& supervisor,
                             base::MonotonicTime now) {
  domain::Model model;
  model.id = id;
  model.aliases = d.resolved.aliases;
  model.created = std::chrono::duration_cast<std::chrono::seconds>(d.created.time_since_epoch()).count();
  const supervisor::Replica* nearest = nullptr;
  bool ready = false;
  for (const DeployedReplica& deployed : d.replicas) {
    const supervisor::Replica* const r = supervisor.find(deployed.id);
    if (r == nullptr) continue;
    ready = ready || r->state() == ReplicaState::ready;
    if (nearest == nullptr || rank(r->state()) < rank(nearest->state())) nearest = r;
    model.task = deployed.plan.load.task;
    model.context_tokens = deployed.plan.load.context_tokens;
    model.replicas.push_back({.id = deployed.id,
                              .model_id = id,
                              .endpoint = {.path = r->config().socket, .host = {}},
                              .state = r->state(),
                              .slot = deployed.slot,
                              .parallel = std::max(1, deployed.plan.load.parallel),
                              .facts = r->facts()});
  }
  std::ranges::sort(model.replicas, {}, &domain::Replica::id);
  if (ready) return model;
  Unready why{d.phase.empty() ? "starting" : d.phase};
  if (d.failure) {
    why = {d.failure->message(), std::chrono::seconds(30)};
  } else if (nearest != nullptr) {
    why = unready(waiting_of(*nearest, now));
  }
  model.unready_reason = why.words;
  model.retry_after = why.retry_after;
  return model;
}

}  // namespace slipway::control
