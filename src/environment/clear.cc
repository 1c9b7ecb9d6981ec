// The cluster's side of a teardown. What a controller made (load balancers, volumes, nodes) is deleted
// through that controller while it lives, so that no orphan is left in the account; then the controllers
// themselves, in the reverse order of their waves. Where the API is dead the account is cleared directly, and
// first of all Karpenter loses its permission, or it would start nodes again.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cloud/sweep.h"
#include "codec/addon.h"
#include "environment/addons.h"
#include "environment/down.h"
#include "policy/addons.h"

namespace slipway::environment {
namespace {

using base::ErrorCode, base::Result;
using codec::list, codec::text;

constexpr auto kGoneTime = std::chrono::minutes(3);
constexpr auto kCloudTime = std::chrono::minutes(5);  // then clear_orphans() does it
constexpr auto kLook = std::chrono::seconds(5);
constexpr int kOrphanRounds = 10;
constexpr int kFirstCoreWaveFromAbove =
    35;  // node pools, Karpenter, load balancers and storage go after the rest

// Kinds whose objects made something in the account or need a living operator, in the order of deletion.
constexpr auto kCustom = std::to_array<std::string_view>(
    {"rayservices.ray.io", "rayclusters.ray.io", "leaderworkersets.leaderworkerset.x-k8s.io",
     "stormservices.orchestration.aibrix.ai", "roleset.orchestration.aibrix.ai",
     "gateways.gateway.networking.k8s.io", "ingresses.networking.k8s.io", "opensearchclusters.opensearch.org",
     "prometheuses.monitoring.coreos.com", "alertmanagers.monitoring.coreos.com"});

std::string meta(const Json& object, const char* key) {
  return text(codec::field(object, "metadata"), key);
}

// How many objects went, and how many of them only without their controller: what those made in the account
// is left to the sweep, and nobody waits for it.
struct Erased {
  int count = 0;
  int forced = 0;
};

// Deletes, and when the controller that owns the finalizer is gone, takes the finalizer off. True: that was
// needed.
Result<bool> erase_surely(Session& session, const kube::ObjectRef& ref) {
  auto done = session.kubectl().erase(ref, kGoneTime);
  if (done) return false;
  const ErrorCode code = done.error().code();
  if (code == ErrorCode::interrupted || code == ErrorCode::credentials_expired)
    return std::move(done).error();
  session.watcher().warn(fmt::format("{} does not go by itself; its finalizers are taken off", ref.words()));
  SLIPWAY_RETURN_IF_ERROR(session.kubectl().release(ref));
  SLIPWAY_RETURN_IF_ERROR(session.kubectl().erase(ref, kGoneTime));
  return true;
}

Result<Erased> erase_all(Session& session, const std::string& kind,
                         const std::function<bool(const Json&)>& wanted = {}) {
  SLIPWAY_TRY(const Json objects, session.kubectl().list(kind));
  Erased out;
  for (const Json& object : objects) {
    if (wanted && !wanted(object)) continue;
    SLIPWAY_TRY(const bool forced,
                erase_surely(session, {kind, meta(object, "name"), meta(object, "namespace")}));
    ++out.count;
    out.forced += forced;
  }
  return out;
}

// With what a run before this one did: it is not there to be counted again.
Result<Json> evidence(Session& session, const std::string& step, const Erased& erased) {
  SLIPWAY_TRY(const auto before, session.journal().done("down/" + step));
  const auto earlier = [&](const char* key) {
    return before ? static_cast<int>(codec::number(*before, key)) : 0;
  };
  return Json{{"erased", erased.count + earlier("erased")}, {"forced", erased.forced + earlier("forced")}};
}

// Whether something goes now because its object went.
bool controllers_delete(const Json& evidence) {
  return codec::number(evidence, "erased") > 0 && codec::number(evidence, "forced") == 0;
}

Result<void> step(Session& session, const std::string& id, const std::string& title,
                  const std::function<Result<Json>()>& run) {
  SLIPWAY_RETURN_IF_ERROR(session.perform({.id = "down/" + id, .title = title, .run = run}));
  return {};
}

Result<Json> erase_entrances(Session& session) {
  SLIPWAY_TRY(Erased all, erase_all(session, "services", [](const Json& service) {
                return text(codec::field(service, "spec"), "type") == "LoadBalancer";
              }));
  for (const std::string_view kind : kCustom) {
    SLIPWAY_TRY(const Erased erased, erase_all(session, std::string(kind)));
    all.count += erased.count;
    all.forced += erased.forced;
  }
  return evidence(session, "entrances", all);
}

// Absence in the cloud, which is what costs; the controller does the deleting.
Result<Json> await_balancers(Session& session) {
  const std::string name = session.name();
  SLIPWAY_TRY(const auto entrances, session.journal().done("down/entrances"));
  if (entrances && !controllers_delete(*entrances)) return Json{{"gone", false}};
  auto done = session.patience().until("load balancers to be gone", kCloudTime, kLook, [&]() -> Result<bool> {
    SLIPWAY_TRY(const Json answer,
                session.aws().call(
                    "resourcegroupstaggingapi", "get-resources",
                    {{"TagFilters", Json::array({{{"Key", "elbv2.k8s.aws/cluster"}, {"Values", {name}}}})},
                     {"ResourceTypeFilters", {"elasticloadbalancing:loadbalancer"}}}));
    // The tagging API names a deleted one for a while: ask the service itself.
    for (const Json& one : list(answer, "ResourceTagMappingList")) {
      SLIPWAY_TRY(const auto there, session.aws().find("elbv2", "describe-load-balancers",
                                                       {{"LoadBalancerArns", {text(one, "ResourceARN")}}}));
      if (there && !list(*there, "LoadBalancers").empty()) return false;
    }
    return true;
  });
  if (!done && done.error().code() != ErrorCode::timeout) return done.error();
  return Json{{"gone", done.has_value()}};
}

Result<Json> erase_volumes(Session& session) {
  SLIPWAY_TRY(Erased all, erase_all(session, "statefulsets"));
  SLIPWAY_TRY(const Erased claims, erase_all(session, "persistentvolumeclaims"));
  all.count += claims.count;
  all.forced += claims.forced;
  SLIPWAY_TRY(Json out, evidence(session, "volumes", all));
  if (!controllers_delete(out)) return out;
  auto done = session.patience().until("volumes to be gone", kCloudTime, kLook, [&]() -> Result<bool> {
    SLIPWAY_TRY(const Json volumes, session.kubectl().list("persistentvolumes"));
    return volumes.empty();
  });
  if (!done && done.error().code() != ErrorCode::timeout) return done.error();
  return out;
}

Result<Json> erase_webhooks(Session& session, const std::vector<domain::Addon>& addons) {
  int count = 0;
  for (const char* kind : {"validatingwebhookconfigurations", "mutatingwebhookconfigurations"}) {
    SLIPWAY_TRY(const Erased erased, erase_all(session, kind, [&](const Json& object) {
                  const Json& notes = codec::field(codec::field(object, "metadata"), "annotations");
                  const std::string release = text(notes, "meta.helm.sh/release-name");
                  return std::ranges::any_of(addons,
                                             [&](const domain::Addon& a) { return a.name == release; });
                }));
    count += erased.count;
  }
  return Json{{"webhook_configurations", count}};
}

Result<Json> erase_nodes(Session& session) {
  Erased all;
  for (const char* kind :
       {"nodepools.karpenter.sh", "nodeclaims.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws"}) {
    SLIPWAY_TRY(const Erased erased, erase_all(session, kind));
    all.count += erased.count;
    all.forced += erased.forced;
  }
  return evidence(session, "nodes", all);
}

Result<void> remove_steps(Session& session, std::vector<domain::Addon> addons) {
  std::ranges::reverse(addons);
  for (const domain::Addon& addon : addons)
    SLIPWAY_RETURN_IF_ERROR(
        step(session, "addon/" + addon.name, "remove " + addon.name, [&]() -> Result<Json> {
          SLIPWAY_RETURN_IF_ERROR(remove_addon(session, addon));
          return Json{{"version", addon.version}};
        }));
  return {};
}

Result<Json> revoke_karpenter(Session& session) {
  SLIPWAY_TRY(const auto found,
              session.aws().find("eks", "list-pod-identity-associations",
                                 {{"clusterName", session.name()}, {"namespace", "karpenter"}}));
  int count = 0;
  if (found)
    for (const Json& a : list(*found, "associations")) {
      SLIPWAY_RETURN_IF_ERROR(session.aws().erase(
          "eks", "delete-pod-identity-association",
          {{"clusterName", session.name()}, {"associationId", text(a, "associationId")}}));
      ++count;
    }
  return Json{{"associations", count}};
}

}  // namespace

Result<void> clear_cluster(Session& session, const domain::Blueprint& blueprint) {
  const auto decisions = policy::decide_addons(blueprint.cluster, codec::built_in_addons());
  const std::vector<domain::Addon> addons = policy::addons_on(decisions);
  std::vector<domain::Addon> late, early;
  std::ranges::partition_copy(addons, std::back_inserter(late), std::back_inserter(early),
                              [](const domain::Addon& a) { return a.wave <= kFirstCoreWaveFromAbove; });
  SLIPWAY_RETURN_IF_ERROR(step(session, "entrances", "delete load balancers, gateways and custom resources",
                               [&] { return erase_entrances(session); }));
  SLIPWAY_RETURN_IF_ERROR(step(session, "balancers", "wait until load balancers are gone",
                               [&] { return await_balancers(session); }));
  SLIPWAY_RETURN_IF_ERROR(step(session, "volumes", "delete stateful sets and their volumes",
                               [&] { return erase_volumes(session); }));
  SLIPWAY_RETURN_IF_ERROR(remove_steps(session, early));
  SLIPWAY_RETURN_IF_ERROR(step(session, "webhooks", "delete webhook configurations",
                               [&] { return erase_webhooks(session, addons); }));
  SLIPWAY_RETURN_IF_ERROR(
      step(session, "nodes", "delete node pools and their nodes", [&] { return erase_nodes(session); }));
  return remove_steps(session, late);
}

Result<void> revoke_nodes(Session& session) {
  session.watcher().warn("the cluster's API does not answer: the account is cleared around it");
  return step(session, "karpenter", "take Karpenter's permission away",
              [&] { return revoke_karpenter(session); });
}

Result<void> clear_orphans(Session& session, const DownInput& in) {
  const std::string name = session.name(), account = session.identity().account;
  const auto around = [&](const cloud::Item& item,
                          const std::function<Result<void>()>& deletion) -> Result<void> {
    return step(session, "clear/" + item.key(), fmt::format("delete {} {}", item.type, item.name),
                [&]() -> Result<Json> {
                  SLIPWAY_RETURN_IF_ERROR(deletion());
                  return Json{{"type", item.type}, {"id", item.id}};
                });
  };
  session.watcher().step("look for what controllers left");
  const auto done = cloud::sweep(session.aws(),
                                 {.environment = name,
                                  .account = account,
                                  .prices = in.prices,
                                  .keep = [](const cloud::Item& item) { return !item.by_controller; },
                                  .rounds = kOrphanRounds},
                                 around);
  if (!done) return done.error();
  return {};
}

}  // namespace slipway::environment
