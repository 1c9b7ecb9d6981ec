#include "policy/route.h"

#include <algorithm>

namespace slipway::policy {
namespace {

struct Load {
  std::uint64_t busy = 0;  // requests with this one
  std::uint64_t parallel = 1;
};

// a/b < c/d without a division; counts are far below 2^32.
bool lighter(const Load& a, const Load& b) {
  return a.busy * b.parallel < b.busy * a.parallel;
}
bool equal(const Load& a, const Load& b) {
  return a.busy * b.parallel == b.busy * a.parallel;
}

}  // namespace

std::string_view name(RouteReason reason) {
  switch (reason) {
    case RouteReason::least_loaded:
      return "least_loaded";
    case RouteReason::only_one:
      return "only_one";
    case RouteReason::none_ready:
      return "none_ready";
    case RouteReason::all_tried:
      return "all_tried";
  }
  return "none_ready";
}

Route least_loaded(const RouteQuery& query) {
  Route best;
  Load best_load;
  bool any_ready = false;
  const auto& replicas = query.model->replicas;
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    const domain::Replica& r = replicas[i];
    if (r.state != domain::ReplicaState::ready) continue;
    any_ready = true;
    if (std::ranges::find(query.tried, r.slot) != query.tried.end()) continue;
    ++best.ready;
    const Load load{query.in_flight[i] + 1ull, static_cast<std::uint64_t>(std::max(1, r.parallel))};
    const bool better = !best.replica || lighter(load, best_load) ||
                        (equal(load, best_load) && r.id < replicas[*best.replica].id);
    if (!better) continue;
    best.replica = i;
    best.in_flight = query.in_flight[i];
    best_load = load;
  }
  if (best.replica)
    best.reason = best.ready == 1 ? RouteReason::only_one : RouteReason::least_loaded;
  else
    best.reason = any_ready ? RouteReason::all_tried : RouteReason::none_ready;
  return best;
}

std::string explain(const Route& route, const domain::Model& model) {
  if (route.reason == RouteReason::none_ready)
    return model.unready_reason.empty() ? "no replica is ready" : model.unready_reason;
  if (route.reason == RouteReason::all_tried) return "every ready replica failed this request";
  const std::string load = " (" + std::to_string(route.in_flight) + " requests on their way)";
  const std::string& id = model.replicas[*route.replica].id.str();
  if (route.reason == RouteReason::only_one) return id + ": the only ready replica" + load;
  return id + ": least loaded of " + std::to_string(route.ready) + " ready replicas" + load;
}

}  // namespace slipway::policy
