#include "policy/price.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace slipway::policy {
namespace {

using domain::Addon, domain::Cluster, domain::PriceList;

constexpr std::string_view kInstance = "ec2:";
// Estimates, said as such in their rows.
constexpr double kNatGbAMonth = 20;        // image pulls and API calls of an idle environment
constexpr double kControlPlaneLogGb = 10;  // all five log types of a small cluster
constexpr double kFlowLogGb = 5;
constexpr double kLoadBalancerUnits = 0.008;  // capacity units of an idle balancer
constexpr int kNodeDiskGib = 100;
constexpr int kKeys = 2;  // the cluster's secrets; volumes and logs
constexpr int kKeyOfState = 1;

double cents(double usd) {
  return std::round(usd * 100) / 100;
}

std::string plain(double number) {
  return fmt::format("{}", number);
}

void add(std::vector<BillItem>& items, std::string what, std::string unit, double quantity,
         std::string note = {}) {
  if (quantity > 0) items.push_back({std::move(what), std::move(unit), quantity, std::move(note)});
}

domain::AddonNeeds total_needs(std::span<const Addon> addons) {
  domain::AddonNeeds sum;
  for (const Addon& a : addons) {
    sum.volumes_gib += a.needs.volumes_gib;
    sum.load_balancers += a.needs.load_balancers;
    if (a.runs_on != "general-purpose") continue;
    sum.cpu_m += a.needs.cpu_m;
    sum.memory_mib += a.needs.memory_mib;
  }
  return sum;
}

void add_addon_nodes(std::vector<BillItem>& items, const domain::AddonNeeds& needs,
                     std::span<const NodePool> pools, const PriceList& prices) {
  if (needs.cpu_m == 0) return;
  const InstanceChoice choice =
      choose_instance({.cpu_m = needs.cpu_m, .memory_mib = needs.memory_mib}, pools, prices.instance_types);
  if (!choice.type) return;
  add(items, "Karpenter node for add-ons", fmt::format("{}{}", kInstance, choice.type->name), 1,
      fmt::format("at least one: they ask for {:.1f} CPU and {:.0f} GiB", needs.cpu_m / 1e3,
                  needs.memory_mib / 1'024.0));
  add(items, "its disk", "ebs-gp3", kNodeDiskGib);
}

// The rate of a unit an hour, when it has one.
struct Rate {
  double usd = 0;
  std::string per;
};
std::optional<Rate> rate_of(const std::string& unit, const PriceList& prices) {
  if (unit.starts_with(kInstance)) {
    const domain::InstanceType* type = prices.instance(unit.substr(kInstance.size()));
    if (!type || !type->usd_per_hour) return {};
    return Rate{*type->usd_per_hour, "hour"};
  }
  const auto found = prices.units.find(unit);
  if (found == prices.units.end()) return {};
  return Rate{found->second.usd, found->second.per};
}

}  // namespace

std::vector<BillItem> fixed_items(const Cluster& cluster, std::span<const Addon> addons,
                                  bool extended_support, const PriceList& prices) {
  std::vector<BillItem> items;
  const int gateways = cluster.single_nat_gateway() ? 1 : cluster.zones;
  add(items, "EKS control plane", "eks-control-plane", 1);
  if (extended_support)
    add(items, "extended support", "eks-extended-support", 1, "the Kubernetes version left standard support");
  add(items, "NAT gateway", "nat-gateway", gateways);
  add(items, "NAT data", "nat-data", kNatGbAMonth, "estimate");
  add(items, "public address", "public-ipv4", gateways, "one a NAT gateway");
  add(items, "interface endpoint", "interface-endpoint",
      static_cast<double>(cluster.interface_endpoints.size()) * cluster.zones, "one a service and zone");
  if (!cluster.auto_mode() && !cluster.core_instance_types.empty()) {
    add(items, "core node", fmt::format("{}{}", kInstance, cluster.core_instance_types.front()),
        cluster.core_nodes);
    add(items, "core node disk", "ebs-gp3", static_cast<double>(cluster.core_nodes) * cluster.core_disk_gib);
  }
  const domain::AddonNeeds needs = total_needs(addons);
  add_addon_nodes(items, needs, node_pools(cluster, addons), prices);
  add(items, "add-on volumes", "ebs-gp3", needs.volumes_gib);
  add(items, "network load balancer", "nlb", needs.load_balancers);
  add(items, "its capacity units", "nlb-capacity-unit", needs.load_balancers * kLoadBalancerUnits,
      "estimate");
  add(items, "KMS key", "kms-key", kKeys + (cluster.state == domain::StateStore::s3 ? kKeyOfState : 0));
  add(items, "secret", "secret", 1, "the Hugging Face token's");
  add(items, "control plane logs", "log-ingest", kControlPlaneLogGb, "estimate");
  add(items, "flow logs", "log-ingest", kFlowLogGb, "estimate");
  add(items, "stored logs", "log-storage",
      (kControlPlaneLogGb + kFlowLogGb) * cluster.log_retention_days / 30.0, "estimate");
  return items;
}

Bill price(std::span<const BillItem> items, const PriceList& prices) {
  Bill bill;
  for (const BillItem& item : items) {
    const auto rate = rate_of(item.unit, prices);
    if (!rate) {
      bill.unpriced.push_back(fmt::format("{} ({})", item.what, item.unit));
      continue;
    }
    PriceRow row{.item = item, .unit_usd = rate->usd};
    const bool hourly = rate->per == "hour";
    const double exact = item.quantity * rate->usd * (hourly ? prices.hours_per_month : 1);
    row.usd_month = cents(exact);
    row.formula =
        fmt::format("{} x {} USD a{} {}{}", plain(item.quantity), plain(rate->usd), hourly ? "n" : "",
                    rate->per, hourly ? fmt::format(" x {} h", plain(prices.hours_per_month)) : "");
    bill.usd_month += exact;
    bill.rows.push_back(std::move(row));
  }
  bill.usd_month = cents(bill.usd_month);
  return bill;
}

}  // namespace slipway::policy
