#include "cloud/price_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace slipway::cloud {
namespace {

using base::Error, base::ErrorCode, base::Result;

struct UnitUsage {
  std::string_view unit;       // of the price list
  std::string_view service;    // of the API
  std::string_view usage;      // the usage type without its region
  double times = 1;            // AWS's unit in ours
  std::string_view operation;  // only products of this one; empty: any
};
constexpr double kTenThousand = 10'000;
constexpr UnitUsage kUnits[] = {
    {"eks-control-plane", "AmazonEKS", "AmazonEKS-Hours:perCluster", 1, ""},
    {"eks-extended-support", "AmazonEKS", "AmazonEKS-Hours:extendedSupport", 1, ""},
    {"nat-gateway", "AmazonEC2", "NatGateway-Hours", 1, ""},
    {"nat-data", "AmazonEC2", "NatGateway-Bytes", 1, ""},
    {"ebs-gp3", "AmazonEC2", "EBS:VolumeUsage.gp3", 1, ""},
    {"interface-endpoint", "AmazonVPC", "VpcEndpoint-Hours", 1, ""},
    {"public-ipv4", "AmazonVPC", "PublicIPv4:InUseAddress", 1, ""},
    {"nlb", "AWSELB", "LoadBalancerUsage", 1, "LoadBalancing:Network"},
    {"nlb-capacity-unit", "AWSELB", "LCUUsage", 1, "LoadBalancing:Network"},
    {"kms-key", "awskms", "KMS-Keys", 1, ""},
    {"kms-10k-requests", "awskms", "KMS-Requests", kTenThousand, ""},
    {"secret", "AWSSecretsManager", "AWSSecretsManager-Secrets", 1, ""},
    {"log-ingest", "AmazonCloudWatch", "DataProcessing-Bytes", 1, ""},
    {"log-storage", "AmazonCloudWatch", "TimedStorage-ByteHrs", 1, ""},
    {"s3-standard", "AmazonS3", "TimedStorage-ByteHrs", 1, ""},
};

const std::vector<PriceQuestion>& questions() {
  static const std::vector<PriceQuestion> all = {
      {"AmazonEC2",
       {{"operatingSystem", "Linux"},
        {"tenancy", "Shared"},
        {"preInstalledSw", "NA"},
        {"capacitystatus", "Used"},
        {"marketoption", "OnDemand"}}},
      {"AmazonEC2", {{"productFamily", "NAT Gateway"}}},
      {"AmazonEC2", {{"productFamily", "Storage"}, {"volumeApiName", "gp3"}}},
      {"AmazonEKS", {}},
      {"AmazonVPC", {}},
      {"AWSELB", {{"productFamily", "Load Balancer-Network"}}},
      {"awskms", {}},
      {"AWSSecretsManager", {}},
      {"AmazonCloudWatch", {}},
      {"AmazonS3", {{"productFamily", "Storage"}}},
  };
  return all;
}

std::optional<double> decimal(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// On demand; of tiers the first one that costs something.
std::optional<double> on_demand_usd(const Json& product) {
  std::optional<double> usd;
  double from = 0;
  for (const auto& [id, term] : codec::field(codec::field(product, "terms"), "OnDemand").items())
    for (const auto& [rate, tier] : codec::field(term, "priceDimensions").items()) {
      const auto value = decimal(codec::text(codec::field(tier, "pricePerUnit"), "USD"));
      const double begin = decimal(codec::text(tier, "beginRange")).value_or(0);
      if (!value || *value <= 0 || (usd && begin >= from)) continue;
      usd = value;
      from = begin;
    }
  return usd;
}

bool is_usage(std::string_view usage_type, std::string_view name) {
  return usage_type == name || (usage_type.ends_with(name) && usage_type.size() > name.size() &&
                                usage_type[usage_type.size() - name.size() - 1] == '-');
}

Json input_of(const PriceQuestion& question, const std::string& region) {
  Json filters = Json::array();
  const auto add = [&](const std::string& field, const std::string& value) {
    filters.push_back({{"Type", "TERM_MATCH"}, {"Field", field}, {"Value", value}});
  };
  add("regionCode", region);
  for (const auto& [field, value] : question.filters) add(field, value);
  return {{"ServiceCode", question.service}, {"Filters", std::move(filters)}};
}

}  // namespace

std::span<const PriceQuestion> price_questions() {
  return questions();
}

PricesFound take_prices(const PriceQuestion& question, const Json& answer, domain::PriceList& list) {
  std::map<std::string, domain::InstanceType*, std::less<>> types;
  for (domain::InstanceType& type : list.instance_types) types[type.name] = &type;
  PricesFound found;
  for (const Json& item : codec::list(answer, "PriceList")) {
    // Each product is a text of its own inside the answer.
    const auto product = item.is_string() ? codec::parse_json(item.get_ref<const std::string&>()) : item;
    if (!product) continue;
    const auto usd = on_demand_usd(*product);
    const Json& attributes = codec::field(codec::field(*product, "product"), "attributes");
    if (!usd) continue;
    if (const auto type = types.find(codec::text(attributes, "instanceType")); type != types.end()) {
      type->second->usd_per_hour = usd;
      ++found.instance_types;
      continue;
    }
    const std::string usage = codec::text(attributes, "usagetype");
    for (const UnitUsage& unit : kUnits) {
      const auto at = list.units.find(std::string(unit.unit));
      if (at == list.units.end() || unit.service != question.service || !is_usage(usage, unit.usage) ||
          (!unit.operation.empty() && codec::text(attributes, "operation") != unit.operation))
        continue;
      at->second.usd = *usd * unit.times;
      at->second.source = "aws pricing get-products " + usage;
      found.units.push_back(at->first);
    }
  }
  return found;
}

Result<PriceAnswer> fetch_prices(Aws& aws, const std::string& region, const domain::PriceList& base,
                                 const std::string& today) {
  PriceAnswer out{.list = base, .kept = {}};
  out.list.region = out.list.instance_region = region;
  out.list.date = out.list.instance_date = today;
  for (domain::InstanceType& type : out.list.instance_types) type.usd_per_hour.reset();
  std::vector<std::string> units;
  for (const PriceQuestion& question : questions()) {
    SLIPWAY_TRY(const Json answer, aws.call("pricing", "get-products", input_of(question, region)));
    const PricesFound found = take_prices(question, answer, out.list);
    units.insert(units.end(), found.units.begin(), found.units.end());
    out.instance_types += found.instance_types;
  }
  if (out.instance_types == 0)
    return Error(ErrorCode::bad_value, fmt::format("AWS's price list has no instance types of {}", region))
        .with_next("Check the region's name; the built-in list stays in use.");
  for (const auto& [name, unit] : out.list.units)
    if (std::ranges::find(units, name) == units.end()) out.kept.push_back(name);
  return out;
}

}  // namespace slipway::cloud
