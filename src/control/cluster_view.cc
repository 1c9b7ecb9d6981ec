#include "control/cluster_view.h"

#include <algorithm>
#include <set>

namespace slipway::control {
namespace {

using domain::ReplicaState;
using kube::ReplicaSighting;
using Sightings = std::map<std::string, std::vector<ReplicaSighting>>;  // by namespace

constexpr auto kRetry = std::chrono::seconds(5);

// What its clients are told while nobody can answer: the words of the replica that is furthest on its way.
void say_why(domain::Model& model, const std::vector<const ReplicaSighting*>& replicas) {
  const auto rank = [](const ReplicaSighting* r) {
    return r->state == ReplicaState::starting ? 0 : r->state == ReplicaState::pending ? 1 : 2;
  };
  const auto nearest = std::ranges::min_element(replicas, {}, rank);
  if ((*nearest)->state == ReplicaState::ready) return;
  const std::string& words = (*nearest)->waits_for;
  model.unready_reason = words.empty() ? "its replicas are starting" : words;
  model.retry_after = kRetry;
}

}  // namespace

void ClusterView::give_back_unseen(const Sightings& seen) {
  std::set<std::string> present;
  for (const auto& [space, replicas] : seen)
    for (const ReplicaSighting& replica : replicas) present.insert(space + "/" + replica.id);
  std::erase_if(taken_, [&](const auto& entry) {
    if (present.contains(entry.first)) return false;
    slots_.give_back(entry.second);
    return true;
  });
}

std::optional<std::uint32_t> ClusterView::slot_of(const std::string& replica) {
  if (const auto known = taken_.find(replica); known != taken_.end()) return known->second;
  const auto free = slots_.take();
  if (free) taken_.emplace(replica, *free);
  return free;
}

domain::Model ClusterView::model_of(const std::string& space,
                                    const std::vector<const ReplicaSighting*>& replicas) {
  domain::Model model;
  model.served_as = replicas.front()->model_id;
  if (replicas.front()->framework == "triton-vllm") model.dialect = domain::Dialect::triton_generate;
  bool is_ready = false;
  for (const ReplicaSighting* sighted : replicas) {
    if (model.aliases.empty() && !sighted->alias.empty()) model.aliases.push_back(sighted->alias);
    if (sighted->created > 0 && (model.created == 0 || sighted->created < model.created))
      model.created = sighted->created;
    if (sighted->endpoint.host.empty() || sighted->endpoint.port == 0) continue;
    const auto slot = slot_of(space + "/" + sighted->id);
    if (!slot) {
      ++left_out_;
      continue;
    }
    is_ready = is_ready || sighted->state == ReplicaState::ready;
    model.replicas.push_back({.id = base::ReplicaId(sighted->id),
                              .model_id = model.served_as,
                              .endpoint = sighted->endpoint,
                              .state = sighted->state,
                              .slot = *slot,
                              .parallel = 1,
                              .facts = {}});
  }
  if (!is_ready) say_why(model, replicas);
  return model;
}

domain::Snapshot ClusterView::snapshot() {
  Sightings seen;
  for (const auto& [name, space] : spaces_) seen[name] = kube::merge(space.pods, space.slices);
  give_back_unseen(seen);
  left_out_ = 0;
  std::map<std::string, domain::Model> models;
  for (const std::string& space : namespaces_) {
    std::map<std::string, std::vector<const ReplicaSighting*>> by_model;
    for (const ReplicaSighting& replica : seen[space]) by_model[replica.model_id].push_back(&replica);
    for (const auto& [name, replicas] : by_model) {
      domain::Model model = model_of(space, replicas);
      model.id = models.contains(name) ? space + "/" + name : name;
      models.emplace(model.id, std::move(model));
    }
  }
  domain::Snapshot out;
  out.version = ++version_;
  for (auto& [id, model] : models) out.models.push_back(std::move(model));
  return out;
}

}  // namespace slipway::control
