#include "policy/quota.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace slipway::policy {
namespace {

using domain::InstanceType;

struct VcpuQuota {
  std::string_view categories;  // of instance types, separated by blanks
  std::string_view code;
  std::string_view name;
  double new_account;
};
constexpr VcpuQuota kVcpuQuotas[] = {
    {"a c d h i im is m r t z", "L-1216C47A", "Running On-Demand Standard instances", 5},
    {"g gr vt", "L-DB2E81BA", "Running On-Demand G and VT instances", 0},
    {"p", "L-417A185B", "Running On-Demand P instances", 0},
    {"inf", "L-1945791B", "Running On-Demand Inf instances", 0},
    {"trn", "L-2C3B7624", "Running On-Demand Trn instances", 0},
};

bool names(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t blank = list.find(' ');
    if (list.substr(0, blank) == word) return true;
    list = blank == std::string_view::npos ? std::string_view() : list.substr(blank + 1);
  }
  return false;
}

void add_vcpus(std::vector<QuotaNeed>& out, std::span<const PlannedInstances> instances) {
  for (const VcpuQuota& quota : kVcpuQuotas) {
    QuotaNeed need{.service = "ec2",
                   .code = std::string(quota.code),
                   .name = std::string(quota.name),
                   .unit = "vCPUs",
                   .new_account = quota.new_account};
    for (const PlannedInstances& planned : instances) {
      if (!names(quota.categories, planned.type->category)) continue;
      need.need += static_cast<double>(planned.type->vcpu) * planned.count;
      need.formula += fmt::format("{}{} x {} ({})", need.formula.empty() ? "" : " + ", planned.count,
                                  planned.type->name, planned.whose);
    }
    if (need.need > 0) out.push_back(std::move(need));
  }
}

}  // namespace

std::vector<QuotaNeed> quota_needs(const domain::Cluster& cluster,
                                   std::span<const PlannedInstances> instances, int load_balancers) {
  std::vector<QuotaNeed> out;
  add_vcpus(out, instances);
  const double gateways = cluster.single_nat_gateway() ? 1 : cluster.zones;
  const auto add = [&](const char* service, const char* code, const char* name, double need,
                       std::string formula, double new_account) {
    if (need > 0)
      out.push_back({.service = service,
                     .code = code,
                     .name = name,
                     .need = need,
                     .formula = std::move(formula),
                     .new_account = new_account});
  };
  add("vpc", "L-F678F1CE", "VPCs per Region", 1, "1", 5);
  add("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", gateways, "one a NAT gateway", 5);
  add("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 1, "1 in a zone", 5);
  add("eks", "L-1194D53C", "Clusters", 1, "1", 100);
  add("elasticloadbalancing", "L-69A177A2", "Network Load Balancers per Region", load_balancers,
      "one a load balancer", 50);
  return out;
}

std::string request_command(const QuotaNeed& need, const std::string& region) {
  return fmt::format(
      "aws service-quotas request-service-quota-increase --region {} --service-code {} --quota-code {} "
      "--desired-value {:.0f}",
      region, need.service, need.code, std::ceil(need.need + need.used.value_or(0)));
}

}  // namespace slipway::policy
