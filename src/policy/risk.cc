#include "policy/risk.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/network.h"

namespace slipway::policy {
namespace {

using base::Error, base::ErrorCode;
using domain::Blueprint, domain::Cluster;

constexpr int kWarnDays = 60;         // before standard support ends
constexpr std::size_t kMaxName = 28;  // buckets and roles are named after it
constexpr std::string_view kAnywhere = "0.0.0.0/0";

std::string where(const Blueprint& b, const std::string& variable) {
  const auto found = b.origins.find(variable);
  return found == b.origins.end() ? fmt::format("the default of {}", variable) : found->second;
}

// A range of the blueprint, named.
struct Range {
  std::string variable;
  Cidr cidr;
};

void read_range(const Blueprint& b, const std::string& variable, const std::string& text, int least, int most,
                std::vector<Range>& out, std::vector<Error>& errors) {
  const auto cidr = parse_cidr(text);
  if (!cidr) {
    errors.push_back(
        Error(ErrorCode::bad_value, fmt::format("'{}' is no address range ({})", text, where(b, variable)))
            .with_next(fmt::format("Write {} as a.b.c.d/n without bits beyond the prefix, for example "
                                   "\"10.0.0.0/16\".",
                                   variable)));
    return;
  }
  if (cidr->prefix < least || cidr->prefix > most)
    errors.push_back(
        Error(ErrorCode::bad_value, fmt::format("{} of {} has prefix {}; AWS takes {} to {} ({})", text,
                                                variable, cidr->prefix, least, most, where(b, variable))));
  out.push_back({variable, *cidr});
}

void check_ranges(const Blueprint& b, std::vector<Error>& errors) {
  std::vector<Range> ranges;
  read_range(b, "vpc_cidr", b.cluster.vpc_cidr, 16, 24, ranges, errors);
  for (const std::string& text : b.cluster.secondary_cidrs)
    read_range(b, "secondary_cidr_blocks", text, 16, 24, ranges, errors);
  for (std::size_t i = 0; i < ranges.size(); ++i)
    for (std::size_t j = i + 1; j < ranges.size(); ++j)
      if (overlap(ranges[i].cidr, ranges[j].cidr))
        errors.push_back(Error(ErrorCode::cidr_overlap,
                               fmt::format("{} of {} and {} of {} overlap ({})", to_string(ranges[i].cidr),
                                           ranges[i].variable, to_string(ranges[j].cidr), ranges[j].variable,
                                           where(b, ranges[j].variable)))
                             .with_next(fmt::format("Change {} to a range outside {}.", ranges[j].variable,
                                                    to_string(ranges[i].cidr))));
}

// Public, private and control plane subnets lie in the VPC's own range, one of each a zone.
void check_subnets(const Blueprint& b, std::vector<Error>& errors) {
  const auto vpc = parse_cidr(b.cluster.vpc_cidr);
  if (!vpc) return;
  const auto size = [](int prefix) { return std::uint64_t{1} << (32 - prefix); };
  const std::uint64_t need =
      static_cast<std::uint64_t>(b.cluster.zones) *
      (size(b.cluster.public_prefix) + size(b.cluster.private_prefix) + size(b.cluster.control_plane_prefix));
  if (need > vpc->size())
    errors.push_back(
        Error(ErrorCode::bad_value,
              fmt::format("the subnets of {} zones take {} addresses, and {} has {} ({})", b.cluster.zones,
                          need, b.cluster.vpc_cidr, vpc->size(), where(b, "vpc_cidr")))
            .with_next("Make vpc_cidr larger, or the *_subnets_cidr_prefix numbers larger."));
}

void check_name(const Blueprint& b, std::vector<Error>& errors) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  if (b.name.size() >= 2 && b.name.size() <= kMaxName && letter(b.name.front()) && b.name.back() != '-')
    return;
  errors.push_back(
      Error(ErrorCode::bad_value,
            fmt::format("'{}' cannot name an EKS environment ({})", b.name, where(b, "name")))
          .with_next(fmt::format("Use 2 to {} of a-z, 0-9 and '-', beginning with a letter: buckets and "
                                 "roles are named after it.",
                                 kMaxName)));
}

void check_zones(const Blueprint& b, const domain::EksFacts& facts, std::vector<Error>& errors) {
  const auto region = facts.zones.find(b.cluster.region);
  if (region == facts.zones.end() || b.cluster.zones <= region->second) return;
  errors.push_back(Error(ErrorCode::too_few_zones,
                         fmt::format("{} has {} availability zones, and availability_zones_count is {} ({})",
                                     b.cluster.region, region->second, b.cluster.zones,
                                     where(b, "availability_zones_count")))
                       .with_next(fmt::format("Set availability_zones_count = {}, or choose another region.",
                                              region->second)));
}

void check_endpoint(const Blueprint& b, std::vector<Error>& errors) {
  for (const std::string& text : b.cluster.allowed_inbound_cidrs) {
    const auto cidr = parse_cidr(text);
    if (!cidr)
      errors.push_back(Error(ErrorCode::bad_value, fmt::format("'{}' is no address range ({})", text,
                                                               where(b, "allowed_inbound_cidrs"))));
    else if (cidr->prefix == 0 && !b.cluster.on("accept_open_endpoint"))
      errors.push_back(
          Error(ErrorCode::open_endpoint,
                fmt::format("allowed_inbound_cidrs lets the whole internet reach the cluster's API ({})",
                            where(b, "allowed_inbound_cidrs")))
              .with_next("Name your own range, for example [\"203.0.113.7/32\"], or leave it out for a "
                         "private endpoint; accept_open_endpoint = true takes the risk."));
  }
}

double month(const domain::PriceList& prices, const std::string& unit) {
  const auto found = prices.units.find(unit);
  return found == prices.units.end() ? 0 : found->second.usd * prices.hours_per_month;
}

void endpoint_risks(const RiskInput& in, std::vector<Risk>& out) {
  const Cluster& c = in.blueprint.cluster;
  if (c.allowed_inbound_cidrs.empty())
    out.push_back(
        {"private-endpoint", "the cluster's API is reachable only from inside the VPC",
         "allowed_inbound_cidrs is empty; `up` checks the reach before it creates anything",
         "Run Slipway inside the VPC or through a VPN, or add your address to allowed_inbound_cidrs."});
  else if (std::ranges::find(c.allowed_inbound_cidrs, kAnywhere) != c.allowed_inbound_cidrs.end())
    out.push_back({"open-endpoint", "the whole internet can reach the cluster's API",
                   "allowed_inbound_cidrs has 0.0.0.0/0 and accept_open_endpoint is true",
                   "Name your own ranges in allowed_inbound_cidrs."});
}

void version_risks(const RiskInput& in, std::vector<Risk>& out) {
  const double price = month(in.prices, "eks-extended-support");
  const domain::EksVersion& v = in.version.version;
  if (in.version.support == Support::extended)
    out.push_back({"extended-support", fmt::format("Kubernetes {} is out of standard support", v.version),
                   fmt::format("since {} it costs {:.2f} USD a month more, and ends on {}", v.standard_until,
                               price, v.extended_until),
                   "Raise eks_cluster_version, one minor version at a time."});
  else if (in.version.days_left <= kWarnDays)
    out.push_back(
        {"support-ends",
         fmt::format("Kubernetes {} leaves standard support in {} days", v.version, in.version.days_left),
         fmt::format("from {} on it would cost {:.2f} USD a month more; Slipway sets the upgrade "
                     "policy to STANDARD, so EKS raises the version then",
                     v.standard_until, price),
         "Raise eks_cluster_version before that day."});
}

void availability_risks(const RiskInput& in, std::vector<Risk>& out) {
  const Cluster& c = in.blueprint.cluster;
  if (c.single_nat_gateway())
    out.push_back(
        {"single-nat", "one NAT gateway serves every zone",
         fmt::format("its zone's failure cuts all nodes off the internet; one each would cost "
                     "{:.2f} USD a month more",
                     (c.zones - 1) * (month(in.prices, "nat-gateway") + month(in.prices, "public-ipv4"))),
         "Set single_nat_gateway = false."});
  if (c.zones < 3)
    out.push_back({"few-zones", fmt::format("{} availability zones are used", c.zones),
                   "accelerated instances are often out of stock in a zone; more zones find more of them",
                   "Raise availability_zones_count."});
}

void money_risks(const RiskInput& in, std::vector<Risk>& out) {
  const Cluster& c = in.blueprint.cluster;
  if (!c.monthly_budget_usd) {
    out.push_back({"no-budget", "no budget is set",
                   "node_limits are then the only cap of what Karpenter may start",
                   "Set monthly_budget_usd and budget_alert_emails."});
    return;
  }
  if (in.bill.usd_month > *c.monthly_budget_usd)
    out.push_back(
        {"over-budget",
         fmt::format("the fixed price alone is over the budget of {:.2f} USD a month", *c.monthly_budget_usd),
         fmt::format("it is {:.2f} USD a month; `up` refuses", in.bill.usd_month),
         "Raise monthly_budget_usd, or turn add-ons off."});
  out.push_back({"budget-tags", "AWS counts nothing in a budget by tag until the tag is activated",
                 "the payer of the account activates cost allocation tags; a day later it counts",
                 "Activate slipway.dev/environment under Billing, Cost allocation tags."});
}

void ownership_risks(const RiskInput& in, std::vector<Risk>& out) {
  const Cluster& c = in.blueprint.cluster;
  if (!c.is_protected())
    out.push_back({"not-protected", "`down` needs only the environment's name", "protected is false",
                   "Set protected = true for an environment that must stay."});
  if (c.state == domain::StateStore::local)
    out.push_back({"local-state", "Terraform's state is only on this machine",
                   "without it, `down` finds everything by its tags, and `up` cannot go on elsewhere",
                   "Set state = \"s3\"."});
  for (const domain::Addon& addon : in.addons)
    if (!addon.addon_variable.empty())
      out.push_back(
          {"helm-owner", fmt::format("{} comes by Helm", addon.title),
           fmt::format("enable_cluster_addons has {} = false, and {} needs it", addon.addon_variable,
                       addon.needed_by.empty() ? "another add-on" : addon.needed_by.front()),
           fmt::format("Set {} = true to have EKS own it.", addon.addon_variable)});
}

}  // namespace

std::vector<Error> blockers(const Blueprint& blueprint, const domain::EksFacts& facts) {
  std::vector<Error> errors;
  check_name(blueprint, errors);
  check_zones(blueprint, facts, errors);
  check_ranges(blueprint, errors);
  check_subnets(blueprint, errors);
  check_endpoint(blueprint, errors);
  return errors;
}

std::vector<Risk> risks(const RiskInput& input) {
  std::vector<Risk> out;
  version_risks(input, out);
  endpoint_risks(input, out);
  availability_risks(input, out);
  money_risks(input, out);
  ownership_risks(input, out);
  return out;
}

}  // namespace slipway::policy
