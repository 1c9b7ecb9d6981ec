#include "kube/model_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "kube/model_pods.h"
#include "kube/pod_facts.h"

namespace slipway::kube {
namespace {

using base::ErrorCode, base::Result;
using codec::field, codec::text;
using domain::ContainerFact, domain::ModelFacts, domain::PodFact;

constexpr const char* kOurs = "app.kubernetes.io/part-of=slipway";
constexpr std::size_t kPodsWithLogs = 8;  // replicas of one model fail alike
constexpr int kTail = 60;
constexpr int kLogBytes = 64 << 10;
const Resource kPods{"", "v1", "pods"};
const Resource kEvents{"", "v1", "events"};
const Resource kVolumeClaims{"", "v1", "persistentvolumeclaims"};
const Resource kNodes{"", "v1", "nodes"};
const Resource kNodeClaims{"karpenter.sh", "v1", "nodeclaims"};
// What makes pods, from the outside to the inside. Lists of objects leave their kind out.
struct OwnerKind {
  const char* kind;
  Resource resource;
  bool counts;  // its replicas are those that a person asked for
};
const std::array<OwnerKind, 5> kOwners = {
    OwnerKind{"Deployment", {"apps", "v1", "deployments"}, true},
    OwnerKind{"LeaderWorkerSet", {"leaderworkerset.x-k8s.io", "v1", "leaderworkersets"}, true},
    OwnerKind{"RayService", {"ray.io", "v1", "rayservices"}, false},
    OwnerKind{"StatefulSet", {"apps", "v1", "statefulsets"}, false},
    OwnerKind{"ReplicaSet", {"apps", "v1", "replicasets"}, false}};

std::string model_of(const Json& pod) {
  return text(field(field(pod, "metadata"), "labels"), kModelLabel);
}

// The pods that `wanted` means: all of a model, or one.
Json pods_named(const Json& all, const std::string& wanted) {
  Json out = Json::array();
  for (const Json& pod : all) {
    const Json& meta = field(pod, "metadata");
    if (model_of(pod) == wanted || text(meta, "name") == wanted ||
        text(field(meta, "annotations"), kModelIdAnnotation) == wanted)
      out.push_back(pod);
  }
  return out;
}

bool wants_log(const PodFact& pod, const ContainerFact& c) {
  if (pod.ready || pod.node.empty()) return false;
  return c.running || (c.ended && c.exit_code != 0) || (c.ended && !c.init);
}

// The run that matters: of one that was begun anew and is not ready, the one before it.
bool previous_run(const ContainerFact& c) {
  return c.running && c.ended && !c.ready;
}

// One look at one model.
class ModelLook {
 public:
  ModelLook(Client& api, const std::string& name_space, const io::Patience& patience)
      : api_(api), name_space_(name_space), patience_(patience) {}
  Result<ModelFacts> at(const std::string& wanted);

 private:
  Result<Json> seen(const std::string& path, const std::string& selector, std::string_view what,
                    ModelFacts& facts);
  Result<void> look_at_pods(const Json& pods, const Json& events, ModelFacts& facts);
  Result<void> look_at_owners(const Json& events, ModelFacts& facts);
  Result<void> look_at_claims(const Json& events, ModelFacts& facts);
  Result<void> look_at_nodes(ModelFacts& facts);

  Client& api_;
  const std::string& name_space_;
  const io::Patience& patience_;
};

// Nothing where the API does not serve it.
Result<Json> ModelLook::seen(const std::string& path, const std::string& selector, std::string_view what,
                             ModelFacts& facts) {
  SLIPWAY_RETURN_IF_ERROR(patience_.check());
  auto found = api_.list(path, selector);
  if (found) return found->at("items");
  if (found.error().param() == "NotFound") return Json::array();
  if (found.error().code() != ErrorCode::access_denied) return std::move(found).error();
  facts.not_looked_at.push_back(fmt::format("{} (this kubeconfig may not list them)", what));
  return Json::array();
}

Result<void> ModelLook::look_at_pods(const Json& pods, const Json& events, ModelFacts& facts) {
  const base::WallTime now = base::wall_now();
  std::size_t with_logs = 0;
  for (const Json& object : pods) {
    PodFact pod = pod_fact(object, now);
    pod.events = events_about(events, "Pod", pod.name, now);
    bool read = false;
    for (ContainerFact& c : pod.containers) {
      if (!wants_log(pod, c) || with_logs >= kPodsWithLogs) continue;
      SLIPWAY_RETURN_IF_ERROR(patience_.check());
      auto log = api_.text(fmt::format("{}/log?container={}&tailLines={}&limitBytes={}&timestamps=true{}",
                                       kPods.path(name_space_, pod.name), c.name, kTail, kLogBytes,
                                       previous_run(c) ? "&previous=true" : ""));
      // A container whose log is gone is no failure: the rest is still worth saying.
      if (log) add_log(c, *log, base::wall_now());
      read = true;
    }
    if (read) ++with_logs;
    facts.pods.push_back(std::move(pod));
  }
  return {};
}

Result<void> ModelLook::look_at_owners(const Json& events, ModelFacts& facts) {
  const std::string selector = fmt::format("{}={}", kModelLabel, facts.id);
  for (const OwnerKind& owner : kOwners) {
    SLIPWAY_TRY(Json found,
                seen(owner.resource.path(name_space_), selector, fmt::format("{}s", owner.kind), facts));
    for (Json& object : found) {
      object["kind"] = owner.kind;
      domain::OwnerFact fact = owner_fact(object);
      if (owner.kind == std::string_view("ReplicaSet") && fact.wanted == 0)
        continue;  // of an earlier version
      fact.events = events_about(events, owner.kind, fact.name, base::wall_now());
      if (owner.counts) facts.wanted = std::max(0, facts.wanted) + fact.wanted;
      facts.owners.push_back(std::move(fact));
    }
  }
  return {};
}

Result<void> ModelLook::look_at_claims(const Json& events, ModelFacts& facts) {
  std::set<std::string> names;
  for (const PodFact& pod : facts.pods)
    if (!pod.ready) names.insert(pod.claims.begin(), pod.claims.end());
  for (const std::string& name : names) {
    auto found = api_.get(kVolumeClaims.path(name_space_, name));
    if (!found && found.error().code() != ErrorCode::access_denied) return std::move(found).error();
    if (!found) {
      facts.not_looked_at.emplace_back("persistent volume claims (this kubeconfig may not read them)");
      return {};
    }
    domain::ClaimFact claim = *found ? claim_fact(**found) : domain::ClaimFact{.name = name};
    claim.events = events_about(events, "PersistentVolumeClaim", name, base::wall_now());
    facts.claims.push_back(std::move(claim));
  }
  return {};
}

Result<void> ModelLook::look_at_nodes(ModelFacts& facts) {
  if (std::ranges::all_of(facts.pods, [](const PodFact& pod) { return pod.ready; })) return {};
  SLIPWAY_TRY(const Json nodes, seen(kNodes.path(), {}, "nodes", facts));
  for (const Json& node : nodes) facts.nodes.push_back(node_fact(node));
  if (std::ranges::none_of(facts.pods, [](const PodFact& pod) { return pod.node.empty(); })) return {};
  SLIPWAY_TRY(const Json claims, seen(kNodeClaims.path(), {}, "node claims", facts));
  // Events of objects without a namespace lie in this one. A claim that EC2 refused is given up within
  // seconds: its events outlive it.
  SLIPWAY_TRY(const Json events, seen(kEvents.path("default"), {}, "events of node claims", facts));
  for (const Json& object : claims) {
    domain::NodeClaimFact claim = node_claim_fact(object);
    claim.events = events_about(events, "NodeClaim", claim.name, base::wall_now());
    facts.node_claims.push_back(std::move(claim));
  }
  for (const Json& event : events) {
    const Json& about = field(event, "involvedObject");
    const std::string name = text(about, "name");
    const bool known =
        std::ranges::find(facts.node_claims, name, &domain::NodeClaimFact::name) != facts.node_claims.end();
    if (text(about, "kind") != "NodeClaim" || known) continue;
    // Karpenter names a claim after its pool.
    facts.node_claims.push_back({.name = name,
                                 .pool = name.substr(0, name.rfind('-')),
                                 .gone = true,
                                 .events = kube::events_about(events, "NodeClaim", name, base::wall_now())});
  }
  return {};
}

Result<ModelFacts> ModelLook::at(const std::string& wanted) {
  ModelFacts out{.id = wanted, .name_space = name_space_};
  SLIPWAY_TRY(const Json all, api_.list(kPods.path(name_space_), kOurs));
  const Json mine = pods_named(all.at("items"), wanted);
  bool one = false;
  for (const Json& pod : mine) {
    out.id = model_of(pod);
    one = one || text(field(pod, "metadata"), "name") == wanted;
  }
  SLIPWAY_TRY(const Json events, seen(kEvents.path(name_space_), {}, "events", out));
  SLIPWAY_RETURN_IF_ERROR(look_at_pods(mine, events, out));
  SLIPWAY_RETURN_IF_ERROR(look_at_owners(events, out));
  if (one) out.wanted = 1;  // the question was about this one
  SLIPWAY_RETURN_IF_ERROR(look_at_claims(events, out));
  SLIPWAY_RETURN_IF_ERROR(look_at_nodes(out));
  return out;
}

}  // namespace

Result<ModelFacts> model_facts(Client& api, const std::string& name_space,
                               const std::string& model_or_replica, const io::Patience& patience) {
  return ModelLook(api, name_space, patience).at(model_or_replica);
}

}  // namespace slipway::kube
