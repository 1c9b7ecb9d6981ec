// What `slipway plan` knows without an account: everything that a blueprint will make, its price, the quotas
// that it needs and its risks. Pure: files and dates are inputs.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/addon.h"
#include "domain/blueprint.h"
#include "domain/model.h"
#include "domain/price.h"
#include "policy/addons.h"
#include "policy/instance.h"
#include "policy/price.h"
#include "policy/quota.h"
#include "policy/risk.h"
#include "policy/version.h"

namespace slipway::environment {

// One thing that will be made.
struct Creation {
  std::string group = {};  // "network", "cluster", "nodes", "security", "storage", "add-ons"
  std::string what = {};   // "VPC"
  int count = 1;
  std::string detail = {};  // "10.0.0.0/16 and 100.64.0.0/16"
};

// A node that one model has beside those of its replicas.
struct HeadPlan {
  policy::InstanceNeed need = {};
  policy::InstanceChoice choice = {};
  double usd_hour = 0;
};

struct ModelPlan {
  std::string name = {};  // serviceName
  std::string file = {};  // that describes it
  std::string model = {};
  domain::Framework framework = domain::Framework::vllm;
  policy::InstanceNeed need = {};
  policy::InstanceChoice choice = {};
  int pods = 1;  // of one replica
  int replicas = 1;
  double usd_hour_replica = 0;        // 0 when no type fits or its price is not known
  std::optional<HeadPlan> head = {};  // Ray's; at most: it may share a node with others
};

struct Plan {
  std::string name = {};
  std::string region = {};
  std::string today = {};
  policy::VersionChoice version = {};
  std::vector<Creation> creations = {};
  std::vector<policy::AddonDecision> addons = {};
  policy::Bill bill = {};
  std::vector<ModelPlan> models = {};
  std::vector<policy::QuotaNeed> quotas = {};
  std::vector<policy::Risk> risks = {};
  std::vector<std::string> warnings = {};
  std::string prices_region = {};
  std::string prices_date = {};
};

struct PlanInputs {
  const domain::Blueprint& blueprint;
  std::span<const domain::ModelSpec> models;
  const domain::EksFacts& facts;
  const domain::PriceList& prices;  // must outlive the Plan, as must `addons`
  std::span<const domain::Addon> addons;
  std::string today = {};  // "2026-11-24"
};

// The first blocker as an error, with the others in its detail.
base::Result<Plan> make_plan(const PlanInputs& inputs);

}  // namespace slipway::environment
