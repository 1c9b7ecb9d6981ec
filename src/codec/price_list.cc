#include "codec/price_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "codec/platform_files.h"
#include "codec/yaml_fields.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;
using domain::EksFacts, domain::EksVersion, domain::InstanceType, domain::PriceList;
using Json = nlohmann::json;

constexpr YamlLimits kLimits = {.bytes = 1u << 20, .nodes = 20'000, .depth = 6};

Result<void> read_unit(const YamlNode& node, const Source& source, PriceList& list) {
  static constexpr std::string_view kKeys[] = {"name", "usd", "per", "source"};
  const YamlFields fields(node, source);
  SLIPWAY_RETURN_IF_ERROR(fields.only(kKeys));
  SLIPWAY_TRY(const std::string name, fields.text("name", true));
  domain::UnitPrice unit;
  SLIPWAY_TRY(unit.usd, fields.decimal("usd", 0, 1e6));
  SLIPWAY_TRY(unit.per, fields.text("per", true));
  SLIPWAY_TRY(unit.source, fields.text("source", true));
  if (!list.units.emplace(name, std::move(unit)).second)
    return fields.bad(node, fmt::format("the unit '{}' has two prices", name));
  return {};
}

Result<EksVersion> read_version(const YamlNode& node, const Source& source) {
  static constexpr std::string_view kKeys[] = {"version", "released", "standard_until", "extended_until"};
  const YamlFields fields(node, source);
  SLIPWAY_RETURN_IF_ERROR(fields.only(kKeys));
  EksVersion out;
  SLIPWAY_TRY(out.version, fields.text("version", true));
  SLIPWAY_TRY(out.released, fields.text("released", true));
  SLIPWAY_TRY(out.standard_until, fields.text("standard_until", true));
  SLIPWAY_TRY(out.extended_until, fields.text("extended_until", true));
  return out;
}

// A Kubernetes quantity of the file: "3920m", "14162Mi", "58".
std::int64_t leading_number(const Json& allocatable, const char* key) {
  const auto found = allocatable.find(key);
  if (found == allocatable.end() || !found->is_string()) return 0;
  const auto& text = found->get_ref<const std::string&>();
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

InstanceType read_type(const Json& json) {
  InstanceType out;
  out.name = json.at("name");
  out.family = json.at("family");
  out.category = json.at("category");
  out.size = json.at("size");
  out.arch = json.at("arch");
  out.generation = json.at("generation");
  out.vcpu = json.at("vcpu");
  out.memory_mib = json.at("memory_mib");
  out.local_nvme_gib = json.value("local_nvme_gib", std::int64_t{0});
  if (const auto network = json.find("network_mbps"); network != json.end() && network->is_number())
    out.network_mbps = *network;
  if (const auto gpu = json.find("gpu"); gpu != json.end() && gpu->value("manufacturer", "") == "nvidia") {
    out.device_name = gpu->value("name", "");
    out.gpus = gpu->value("count", 0);
    out.gpu_memory_mib = gpu->value("memory_mib", std::int64_t{0});
  }
  const Json& allocatable = json.at("allocatable");
  out.neuron_devices = static_cast<int>(leading_number(allocatable, "aws.amazon.com/neuron"));
  if (out.neuron_devices > 0)
    if (const auto device = json.find("accelerator"); device != json.end())
      out.device_name = device->value("name", "");
  out.efa = static_cast<int>(leading_number(allocatable, "vpc.amazonaws.com/efa"));
  out.allocatable_cpu_m = static_cast<int>(leading_number(allocatable, "cpu"));
  out.allocatable_memory_mib = leading_number(allocatable, "memory");
  if (const auto price = json.find("on_demand_usd_per_hour_us_east_1");
      price != json.end() && price->is_number())
    out.usd_per_hour = price->get<double>();
  return out;
}

}  // namespace

Result<PriceList> parse_prices(const Source& source) {
  static constexpr std::string_view kKeys[] = {"region", "date", "hours_per_month", "units",
                                               "auto_mode_share"};
  SLIPWAY_TRY(const YamlNode root, parse_yaml(source, kLimits));
  const YamlFields fields(root, source);
  SLIPWAY_RETURN_IF_ERROR(fields.only(kKeys));
  PriceList out;
  SLIPWAY_TRY(out.region, fields.text("region", true));
  SLIPWAY_TRY(out.date, fields.text("date", true));
  SLIPWAY_TRY(out.hours_per_month, fields.decimal("hours_per_month", 1, 744));
  SLIPWAY_TRY(out.auto_mode_share, fields.decimal("auto_mode_share", 0, 1));
  SLIPWAY_TRY(const auto units, fields.list("units"));
  for (const YamlNode& node : units) SLIPWAY_RETURN_IF_ERROR(read_unit(node, source, out));
  return out;
}

Result<void> parse_instance_types(const Source& source, PriceList& list) {
  try {
    const Json file = Json::parse(source.text);
    list.instance_region = file.at("price_region");
    list.instance_date = file.at("price_date");
    for (const Json& json : file.at("instance_types")) list.instance_types.push_back(read_type(json));
  } catch (const Json::exception& e) {
    return Error(ErrorCode::bad_value,
                 fmt::format("{} is no list of instance types: {}", source.name, e.what()));
  }
  std::ranges::sort(list.instance_types, {}, &InstanceType::name);
  return {};
}

Result<EksFacts> parse_eks_facts(const Source& source) {
  static constexpr std::string_view kKeys[] = {"as_of", "source", "versions", "regions"};
  static constexpr std::string_view kRegionKeys[] = {"name", "zones"};
  SLIPWAY_TRY(const YamlNode root, parse_yaml(source, kLimits));
  const YamlFields fields(root, source);
  SLIPWAY_RETURN_IF_ERROR(fields.only(kKeys));
  EksFacts out;
  SLIPWAY_TRY(out.as_of, fields.text("as_of", true));
  SLIPWAY_TRY(const auto versions, fields.list("versions"));
  for (const YamlNode& node : versions) {
    SLIPWAY_TRY(EksVersion version, read_version(node, source));
    out.versions.push_back(std::move(version));
  }
  if (out.versions.empty()) return fields.bad(root, "'versions' is empty");
  SLIPWAY_TRY(const auto regions, fields.list("regions"));
  for (const YamlNode& node : regions) {
    const YamlFields region(node, source);
    SLIPWAY_RETURN_IF_ERROR(region.only(kRegionKeys));
    SLIPWAY_TRY(const std::string name, region.text("name", true));
    SLIPWAY_TRY(const std::uint64_t zones, region.number("zones", 26));
    out.zones[name] = static_cast<int>(zones);
  }
  return out;
}

std::string regional_prices(const PriceList& list) {
  Json units = Json::object();
  for (const auto& [name, unit] : list.units) units[name] = {{"usd", unit.usd}, {"source", unit.source}};
  Json types = Json::object();
  for (const InstanceType& type : list.instance_types)
    if (type.usd_per_hour) types[type.name] = *type.usd_per_hour;
  return Json{{"region", list.region}, {"date", list.date}, {"units", units}, {"instance_types", types}}.dump(
             1) +
         "\n";
}

Result<void> parse_regional_prices(const Source& source, PriceList& list) {
  PriceList out = list;
  try {
    const Json file = Json::parse(source.text);
    out.region = out.instance_region = file.at("region");
    out.date = out.instance_date = file.at("date");
    for (const auto& [name, unit] : file.at("units").items())
      if (const auto known = out.units.find(name); known != out.units.end()) {
        known->second.usd = unit.at("usd");
        known->second.source = unit.at("source");
      }
    const Json& types = file.at("instance_types");
    for (InstanceType& type : out.instance_types) {
      const auto price = types.find(type.name);
      type.usd_per_hour = price == types.end() ? std::nullopt : std::optional(price->get<double>());
    }
  } catch (const Json::exception& e) {
    return Error(ErrorCode::bad_value, fmt::format("{} is no price list: {}", source.name, e.what()));
  }
  list = std::move(out);
  return {};
}

const PriceList& built_in_prices() {
  static const PriceList list = [] {
    auto parsed = parse_prices({"the built-in prices", platform_file("catalog/prices.yaml")});
    SLIPWAY_CHECK(parsed.has_value());
    SLIPWAY_CHECK(
        parse_instance_types(
            {"the built-in instance types", platform_file("catalog/ec2-instance-types.json")}, *parsed)
            .has_value());
    return *std::move(parsed);
  }();
  return list;
}

const EksFacts& built_in_eks_facts() {
  static const EksFacts facts = [] {
    auto parsed = parse_eks_facts({"the built-in facts about EKS", platform_file("catalog/eks.yaml")});
    SLIPWAY_CHECK(parsed.has_value());
    return *std::move(parsed);
  }();
  return facts;
}

}  // namespace slipway::codec
