// What must hold before anything is made: each failure is a coded error with the next command.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "domain/blueprint.h"
#include "environment/plan.h"
#include "environment/session.h"

namespace slipway::environment {

// Whether this machine will reach the cluster's API.
struct Reach {
  bool certain = false;
  std::string why;      // "203.0.113.7 is in allowed_inbound_cidrs"
  std::string address;  // this machine's public one; empty when it could not be found
};
base::Result<Reach> reach_of(const domain::Cluster& cluster, const io::Patience& patience);

// Zones of the region in which EKS can place a control plane.
base::Result<int> usable_zones(cloud::Aws& aws);

// Fills in `limit` of each need from the account; what may not be asked stays empty and is named.
base::Result<std::vector<std::string>> read_quotas(cloud::Aws& aws, std::vector<policy::QuotaNeed>& needs);

struct PreflightInput {
  const domain::Blueprint& blueprint;
  const Plan& plan;
  bool reach_promised = false;  // the person says that the private endpoint will be reached
  bool exists = false;          // the environment is there: quotas are in use by itself
};
// zones, quotas, budget, reach. Returns the evidence.
base::Result<Json> preflight(Session& session, const PreflightInput& input);

}  // namespace slipway::environment
