// The AWS service quotas that an environment needs, by their codes, and what a new account has of them.
//
// Accelerated quotas are counted in processors of the instance types; a new account has none of them, which
// is the most frequent reason for a model that stays Pending. Pure. Codes: Service Quotas of AWS.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/cluster.h"
#include "domain/price.h"

namespace slipway::policy {

// Instances that an environment will run.
struct PlannedInstances {
  const domain::InstanceType* type = nullptr;
  int count = 0;
  std::string whose = {};  // "core nodes", a model's name
};

struct QuotaNeed {
  std::string service = {};  // "ec2"
  std::string code = {};     // "L-DB2E81BA"
  std::string name = {};     // "Running On-Demand G and VT instances"
  double need = 0;
  std::string unit = {};             // "vCPUs", ""
  std::string formula = {};          // "16 (2 x m6i.xlarge) + ..."
  double new_account = 0;            // what an account has by default
  std::optional<double> limit = {};  // what this one has, once asked
  std::optional<double> used = {};
  bool short_of() const { return limit.value_or(new_account) - used.value_or(0) < need; }
};

std::vector<QuotaNeed> quota_needs(const domain::Cluster& cluster,
                                   std::span<const PlannedInstances> instances, int load_balancers);
// The command that asks AWS for more of it.
std::string request_command(const QuotaNeed& need, const std::string& region);

}  // namespace slipway::policy
