#include "policy/addons.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::policy {
namespace {

using domain::Addon, domain::Cluster;

// By its variables alone.
AddonDecision by_variables(const Cluster& cluster, const Addon& addon) {
  if (addon.not_with_auto_mode && cluster.auto_mode()) return {&addon, false, "EKS Auto Mode brings its own"};
  if (addon.always) return {&addon, true, "every environment has it"};
  for (const std::string& variable : addon.variables)
    if (cluster.on(variable)) return {&addon, true, fmt::format("{} is true", variable)};
  if (!addon.variables.empty())
    return {&addon, false, fmt::format("{} is false", fmt::join(addon.variables, ", "))};
  return {&addon, false, "no add-on needs it"};
}

bool eks_owns(const Cluster& cluster, const Addon& addon) {
  const auto found = cluster.eks_addons.find(addon.addon_variable);
  return found != cluster.eks_addons.end() && found->second;
}

}  // namespace

std::vector<AddonDecision> decide_addons(const Cluster& cluster, std::span<const Addon> addons) {
  std::vector<AddonDecision> out;
  for (const Addon& addon : addons) out.push_back(by_variables(cluster, addon));
  const auto on = [&](const std::string& name) {
    return std::ranges::any_of(out, [&](const AddonDecision& d) { return d.on && d.addon->name == name; });
  };
  for (AddonDecision& decision : out) {
    const Addon& addon = *decision.addon;
    if (decision.on || addon.addon_variable.empty()) continue;
    if (addon.not_with_auto_mode && cluster.auto_mode()) continue;
    if (eks_owns(cluster, addon)) {
      decision.why = fmt::format("EKS owns it: enable_cluster_addons has {} = true", addon.addon_variable);
      continue;
    }
    const auto needing = std::ranges::find_if(addon.needed_by, on);
    if (needing == addon.needed_by.end()) continue;
    decision.on = true;
    decision.why =
        fmt::format("{} needs it, and enable_cluster_addons has {} = false", *needing, addon.addon_variable);
  }
  return out;
}

std::vector<Addon> addons_on(std::span<const AddonDecision> decisions) {
  std::vector<Addon> out;
  for (const AddonDecision& d : decisions)
    if (d.on) out.push_back(*d.addon);
  return out;
}

}  // namespace slipway::policy
