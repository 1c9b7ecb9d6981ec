#include "codec/cluster_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "codec/suggest.h"
#include "codec/tfvars_convert.h"

namespace slipway::codec {
namespace {

using base::ErrorCode, base::Result;
using domain::Cluster, domain::StateStore, domain::Topology;

// Where a variable goes, beside `switches` (truth values) and `terraform`. Exactly one member pointer is set.
struct Setting {
  std::string_view name;
  std::string Cluster::* text = nullptr;
  std::vector<std::string> Cluster::* texts = nullptr;
  std::map<std::string, bool> Cluster::* booleans = nullptr;
  int Cluster::* number = nullptr;
  std::int64_t least = 0;
  std::int64_t most = 0;
};

constexpr Setting kSettings[] = {
    {.name = "region", .text = &Cluster::region},
    {.name = "vpc_cidr", .text = &Cluster::vpc_cidr},
    {.name = "ami_family", .text = &Cluster::ami_family},
    {.name = "kubeconfig", .text = &Cluster::kubeconfig},
    {.name = "kube_context", .text = &Cluster::kube_context},
    {.name = "kube_namespace", .text = &Cluster::kube_namespace},
    {.name = "gateway_image", .text = &Cluster::gateway_image},
    {.name = "secondary_cidr_blocks", .texts = &Cluster::secondary_cidrs},
    {.name = "allowed_inbound_cidrs", .texts = &Cluster::allowed_inbound_cidrs},
    {.name = "interface_endpoints", .texts = &Cluster::interface_endpoints},
    {.name = "core_node_instance_types", .texts = &Cluster::core_instance_types},
    {.name = "nodepools", .booleans = &Cluster::node_pools},
    {.name = "enable_cluster_addons", .booleans = &Cluster::eks_addons},
    {.name = "availability_zones_count", .number = &Cluster::zones, .least = 2, .most = 6},
    {.name = "private_subnets_cidr_prefix", .number = &Cluster::private_prefix, .least = 16, .most = 28},
    {.name = "public_subnets_cidr_prefix", .number = &Cluster::public_prefix, .least = 16, .most = 28},
    {.name = "control_plane_subnets_cidr_prefix",
     .number = &Cluster::control_plane_prefix,
     .least = 16,
     .most = 28},
    {.name = "core_node_count", .number = &Cluster::core_nodes, .least = 2, .most = 100},
    {.name = "core_node_max", .number = &Cluster::core_nodes_max, .least = 2, .most = 100},
    {.name = "core_node_disk_gib", .number = &Cluster::core_disk_gib, .least = 20, .most = 16'384},
    {.name = "log_retention_days", .number = &Cluster::log_retention_days, .least = 1, .most = 3'653},
};
constexpr std::string_view kTopologies[] = {"same-zone", "spread"};  // by domain::Topology's order
constexpr std::string_view kStates[] = {"local", "s3"};              // by domain::StateStore's order
constexpr std::string_view kAmiFamilies[] = {"bottlerocket", "al2023"};
constexpr std::string_view kLimits[] = {"cpu", "memory_gib", "gpu", "neuron"};

Result<std::size_t> one_of(const Variable& variable, const TfValue& value, const Source& source,
                           std::span<const std::string_view> words) {
  const std::string word = *as_text(value);
  const auto found = std::ranges::find(words, word);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::string all;
  for (const std::string_view w : words) all += fmt::format("{}\"{}\"", all.empty() ? "" : " or ", w);
  return error_at(ErrorCode::bad_value, source, value.place,
                  fmt::format("'{}' is '{}'{}; it must be {}", variable.name, word.substr(0, 60),
                              did_you_mean(word, words), all));
}

Result<void> set_number(Cluster& out, const Setting& setting, const TfValue& value, const Source& source) {
  const std::int64_t number = *as_integer(value);
  if (number < setting.least || number > setting.most)
    return error_at(
        ErrorCode::bad_value, source, value.place,
        fmt::format("'{}' is {}; it must be {} to {}", setting.name, number, setting.least, setting.most));
  out.*setting.number = static_cast<int>(number);
  return {};
}

Result<void> set_version(Cluster& out, const TfValue& value, const Source& source) {
  const std::string text = *as_text(value);
  const bool right = text.starts_with("1.") && text.size() >= 3 && text.size() <= 5 &&
                     std::ranges::all_of(text.substr(2), [](char c) { return c >= '0' && c <= '9'; });
  if (!right)
    return error_at(ErrorCode::bad_value, source, value.place,
                    fmt::format("'eks_cluster_version' is '{}'; it must be a minor version such as \"1.35\"",
                                text.substr(0, 60)));
  out.kubernetes_version = text;
  return {};
}

Result<void> set_limits(Cluster& out, const TfValue& value, const Source& source) {
  for (const TfEntry& entry : std::get<TfObject>(value.value)) {
    if (std::ranges::find(kLimits, entry.name) == std::end(kLimits))
      return error_at(ErrorCode::unknown_key, source, entry.value.name_place,
                      fmt::format("'node_limits' has no '{}'{}; it has cpu, memory_gib, gpu and neuron",
                                  entry.name.substr(0, 60), did_you_mean(entry.name, kLimits)),
                      entry.name.size());
    const std::int64_t number = *as_integer(entry.value);
    if (number < 0 || number > 1'000'000)
      return error_at(ErrorCode::bad_value, source, entry.value.place,
                      fmt::format("'{}' is {}; it must be 0 to 1000000", entry.name, number));
    out.node_limits[entry.name] = number;
  }
  return {};
}

Result<void> set_budget(Cluster& out, const TfValue& value, const Source& source) {
  const double usd = *as_number(value);
  if (!(usd > 0) || usd > 1e9)
    return error_at(ErrorCode::bad_value, source, value.place,
                    fmt::format("'monthly_budget_usd' is {}; it must be more than 0", usd));
  out.monthly_budget_usd = usd;
  return {};
}

// Variables with rules of their own; nothing when `variable` is none of them.
std::optional<Result<void>> set_special(Cluster& out, const Variable& variable, const TfValue& value,
                                        const Source& source) {
  const auto chosen = [&](std::span<const std::string_view> words, auto store) -> Result<void> {
    SLIPWAY_TRY(const std::size_t index, one_of(variable, value, source, words));
    store(index);
    return {};
  };
  if (variable.name == "eks_cluster_version") return set_version(out, value, source);
  if (variable.name == "node_limits") return set_limits(out, value, source);
  if (variable.name == "monthly_budget_usd") return set_budget(out, value, source);
  if (variable.name == "topology")
    return chosen(kTopologies, [&](std::size_t i) { out.topology = static_cast<Topology>(i); });
  if (variable.name == "state")
    return chosen(kStates, [&](std::size_t i) { out.state = static_cast<StateStore>(i); });
  if (variable.name == "ami_family")
    return chosen(kAmiFamilies, [&](std::size_t i) { out.ami_family = kAmiFamilies[i]; });
  return {};
}

Result<void> set_plain(Cluster& out, const Variable& variable, const TfValue& value, const Source& source) {
  const auto* found = std::ranges::find(kSettings, variable.name, &Setting::name);
  if (found == std::end(kSettings)) return {};
  if (found->number) return set_number(out, *found, value, source);
  if (found->text) out.*found->text = *as_text(value);
  if (found->texts) out.*found->texts = *as_texts(value);
  if (found->booleans)
    for (const TfEntry& entry : std::get<TfObject>(value.value))
      (out.*found->booleans)[entry.name] = *as_boolean(entry.value);
  return {};
}

// In the type that Terraform's variable has, whatever the file's spelling.
std::string terraform_json(const Cluster& cluster, const Variable& variable, const TfValue& value) {
  using enum VariableType;
  switch (variable.type) {
    case text:
      return nlohmann::json(*as_text(value)).dump();
    case boolean:
      return *as_boolean(value) ? "true" : "false";
    case integer:
      return std::to_string(*as_integer(value));
    case number:
      return nlohmann::json(*as_number(value)).dump();
    case text_list:
      return nlohmann::json(*as_texts(value)).dump();
    default:
      return variable.name == "enable_cluster_addons" ? nlohmann::json(cluster.eks_addons).dump()
                                                      : to_json(value);
  }
}

}  // namespace

Result<void> set_cluster_variable(Cluster& cluster, const Variable& variable, const TfValue& value,
                                  const Source& source) {
  if (variable.type == VariableType::boolean) {
    cluster.switches[std::string(variable.name)] = *as_boolean(value);
  } else if (const auto done = set_special(cluster, variable, value, source)) {
    SLIPWAY_RETURN_IF_ERROR(*done);
  } else {
    SLIPWAY_RETURN_IF_ERROR(set_plain(cluster, variable, value, source));
  }
  if (variable.targets & kTerraform)
    cluster.terraform[std::string(variable.name)] = terraform_json(cluster, variable, value);
  return {};
}

const Cluster& default_cluster() {
  static const Cluster defaults = [] {
    Cluster out;
    for (const Variable& variable : blueprint_variables()) {
      if (variable.targets & kLocal) continue;
      const std::string line = fmt::format("default = {}\n", variable.default_text);
      const Source source{variable.name, line};
      const auto parsed = parse_tfvars(source);
      SLIPWAY_CHECK(parsed.has_value());
      const TfValue& value = parsed->front().value;
      if (std::holds_alternative<std::monostate>(value.value)) continue;
      SLIPWAY_CHECK(set_cluster_variable(out, variable, value, source).has_value());
    }
    return out;
  }();
  return defaults;
}

std::string terraform_variables(const domain::Blueprint& blueprint, const std::string& kubernetes_version) {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (const auto& [name, json] : blueprint.cluster.terraform)
    out[name] = nlohmann::ordered_json::parse(json);
  out["name"] = blueprint.name;
  out["eks_cluster_version"] = kubernetes_version;
  return out.dump(2) + "\n";
}

}  // namespace slipway::codec
