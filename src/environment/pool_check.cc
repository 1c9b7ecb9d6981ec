#include "environment/pool_check.h"

#include <fmt/format.h>

namespace slipway::environment {
namespace {

using base::Result;
using codec::field, codec::list, codec::text;

constexpr std::string_view kNamespace = "slipway-pool-check";
constexpr std::string_view kImage = "registry.k8s.io/pause:3.10.1";  // amd64 and arm64
constexpr auto kNodeTime = std::chrono::minutes(15);                 // launch, join, device plugin, image
constexpr auto kGoneTime = std::chrono::minutes(2);

Json name_space() {
  return {{"apiVersion", "v1"},
          {"kind", "Namespace"},
          {"metadata",
           {{"name", kNamespace},
            {"labels",
             {{"pod-security.kubernetes.io/enforce", "restricted"},
              {"app.kubernetes.io/managed-by", "slipway"}}}}}};
}

Result<Json> check(Session& session, const Json& node_pool) {
  const Json pod = pool_check_pod(node_pool);
  const kube::ObjectRef ref{"Pod", text(field(pod, "metadata"), "name"), std::string(kNamespace)};
  SLIPWAY_RETURN_IF_ERROR(session.kubectl().apply(pod.dump()));
  SLIPWAY_RETURN_IF_ERROR(session.kubectl().wait_healthy(ref, kNodeTime));
  SLIPWAY_TRY(const auto ready, session.kubectl().get(ref));
  const std::string node = ready ? text(field(*ready, "spec"), "nodeName") : "";
  SLIPWAY_RETURN_IF_ERROR(session.kubectl().erase(ref, kGoneTime));
  return Json{{"node", node}};
}

}  // namespace

Json pool_check_pod(const Json& node_pool) {
  const std::string name = text(field(node_pool, "metadata"), "name");
  const Json& node = field(field(field(node_pool, "spec"), "template"), "spec");
  Json tolerations = Json::array();
  Json limits{{"cpu", "100m"}, {"memory", "64Mi"}};
  for (const Json& taint : list(node, "taints")) {
    const std::string key = text(taint, "key");
    tolerations.push_back({{"key", key}, {"operator", "Exists"}, {"effect", text(taint, "effect")}});
    if (key == "nvidia.com/gpu" || key == "aws.amazon.com/neuron") limits[key] = 1;
  }
  return {
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata",
       {{"name", "check-" + name},
        {"namespace", kNamespace},
        {"labels", {{"app.kubernetes.io/managed-by", "slipway"}}}}},
      {"spec",
       {{"nodeSelector", {{"karpenter.sh/nodepool", name}}},
        {"tolerations", tolerations},
        {"automountServiceAccountToken", false},
        {"terminationGracePeriodSeconds", 0},
        {"securityContext",
         {{"runAsNonRoot", true}, {"runAsUser", 65535}, {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
        {"containers",
         {{{"name", "pause"},
           {"image", kImage},
           {"resources", {{"requests", limits}, {"limits", limits}}},
           {"securityContext",
            {{"allowPrivilegeEscalation", false},
             {"readOnlyRootFilesystem", true},
             {"capabilities", {{"drop", {"ALL"}}}}}}}}}}}};
}

Result<Json> check_pools(Session& session) {
  SLIPWAY_TRY(const Json pools, session.kubectl().list("nodepools.karpenter.sh"));
  Json out = Json::array();
  if (pools.empty()) return out;
  SLIPWAY_RETURN_IF_ERROR(session.kubectl().apply(name_space().dump()));
  for (const Json& pool : pools) {
    const std::string name = text(field(pool, "metadata"), "name");
    SLIPWAY_TRY(const Json evidence,
                session.perform({.id = "check/pool/" + name,
                                 .title = fmt::format("start a pod on node pool {}", name),
                                 .run = [&] { return check(session, pool); }}));
    out.push_back({{"pool", name}, {"node", text(evidence, "node")}});
  }
  SLIPWAY_RETURN_IF_ERROR(session.kubectl().erase({"Namespace", std::string(kNamespace), ""}, kGoneTime));
  return out;
}

}  // namespace slipway::environment
