#include "environment/placeholders.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>

#include "codec/blueprint.h"
#include "codec/tfvars.h"

namespace slipway::environment {
namespace {

// A variable that nothing of ours reads keeps its default; its text is a tfvars value.
std::optional<Json> default_of(const codec::Variable& variable) {
  const std::string text(variable.default_text);
  if (text == "null") return Json("");
  return codec::parse_json(text);
}

std::string as_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

Json pool_limits(const domain::Cluster& c) {
  const auto limit = [&](const char* key) -> std::int64_t {
    const auto found = c.node_limits.find(key);
    return found == c.node_limits.end() ? 0 : found->second;
  };
  const auto on = [&](const std::string& pool) {
    return c.node_pools.contains(pool) && c.node_pools.at(pool);
  };
  Json common{{"cpu", std::to_string(limit("cpu"))}, {"memory", fmt::format("{}Gi", limit("memory_gib"))}};
  Json out{{"general-purpose", common}};
  for (const auto& [pool, wanted] : c.node_pools) {
    if (!wanted || !on(pool)) continue;
    Json limits = common;
    if (pool == "gpu" || pool.starts_with("gpu-")) limits["nvidia.com/gpu"] = limit("gpu");
    if (pool == "neuron") limits["aws.amazon.com/neuron"] = limit("neuron");
    out[pool] = limits;
  }
  return out;
}

codec::Facts placeholders(const domain::Blueprint& blueprint, const Json& outputs) {
  const domain::Cluster& c = blueprint.cluster;
  std::map<std::string, Json> out;
  for (const codec::Variable& variable : codec::blueprint_variables())
    if (auto value = default_of(variable)) out[std::string(variable.name)] = *std::move(value);
  for (const auto& [name, on] : c.switches) out[name] = on;
  for (const auto& [name, json] : c.terraform)
    if (auto value = codec::parse_json(json)) out[name] = *std::move(value);
  out["ami_family"] = c.ami_family;
  out["topology"] = c.topology == domain::Topology::spread ? "spread" : "same-zone";
  out["node_limits"] = pool_limits(c);
  Json tags = Json::object();
  if (const auto found = out.find("tags"); found != out.end() && found->second.is_object())
    tags = found->second;
  tags["slipway.dev/environment"] = blueprint.name;
  tags["slipway.dev/managed-by"] = "slipway";
  out["tags"] = tags;
  for (const auto& [name, value] : outputs.items()) out[name] = value;
  codec::Facts facts;
  for (const auto& [name, value] : out) facts[name] = as_text(value);
  return facts;
}

}  // namespace slipway::environment
