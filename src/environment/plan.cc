#include "environment/plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using domain::Cluster;

std::string names(const std::map<std::string, bool>& map) {
  std::string out;
  for (const auto& [name, on] : map)
    if (on) out += fmt::format("{}{}", out.empty() ? "" : ", ", name);
  return out;
}

int count_on(const std::map<std::string, bool>& map) {
  return static_cast<int>(std::ranges::count_if(map, [](const auto& entry) { return entry.second; }));
}

void network(const Cluster& c, std::vector<Creation>& out) {
  out.push_back(
      {"network", "VPC", 1,
       fmt::format("{} and {} for nodes and pods", c.vpc_cidr, fmt::join(c.secondary_cidrs, ", "))});
  out.push_back(
      {"network", "subnet", 4 * c.zones,
       fmt::format("public /{}, private /{}, control plane /{}, nodes and pods: one of each in {} zones",
                   c.public_prefix, c.private_prefix, c.control_plane_prefix, c.zones)});
  out.push_back({"network", "NAT gateway", c.single_nat_gateway() ? 1 : c.zones,
                 c.single_nat_gateway() ? "one for all zones" : "one a zone"});
  out.push_back({"network", "gateway endpoint", 1, "S3, free of charge"});
  if (!c.interface_endpoints.empty())
    out.push_back({"network", "interface endpoint", static_cast<int>(c.interface_endpoints.size()),
                   fmt::format("{}", fmt::join(c.interface_endpoints, ", "))});
  out.push_back({"network", "flow log", 1, fmt::format("kept for {} days", c.log_retention_days)});
}

void cluster(const Cluster& c, const policy::VersionChoice& version, std::vector<Creation>& out) {
  out.push_back({"cluster", "EKS cluster", 1,
                 fmt::format("Kubernetes {}{}", version.version.version,
                             version.chosen ? ", the newest in standard support" : "")});
  out.push_back({"cluster", "API endpoint", 1,
                 c.allowed_inbound_cidrs.empty()
                     ? std::string("private")
                     : fmt::format("private, and public for {}", fmt::join(c.allowed_inbound_cidrs, ", "))});
  out.push_back({"cluster", "control plane log", 5,
                 fmt::format("all types, encrypted, kept for {} days", c.log_retention_days)});
  out.push_back({"cluster", "EKS add-on", count_on(c.eks_addons), names(c.eks_addons)});
  out.push_back({"cluster", "access entry", 1, "the caller's role; no other administrator"});
  if (c.auto_mode())
    out.push_back({"nodes", "Auto Mode", 1, "EKS starts and ends the nodes"});
  else
    out.push_back({"nodes", "core node", c.core_nodes,
                   fmt::format("{}, {} GiB encrypted disk, up to {}", fmt::join(c.core_instance_types, ", "),
                               c.core_disk_gib, c.core_nodes_max)});
  const auto limit = [&](const char* key) { return c.node_limits.contains(key) ? c.node_limits.at(key) : 0; };
  out.push_back(
      {"nodes", "node pool", 1 + count_on(c.node_pools),
       fmt::format("general-purpose, {}; at most {} CPU, {} GiB, {} GPU, {} Neuron each", names(c.node_pools),
                   limit("cpu"), limit("memory_gib"), limit("gpu"), limit("neuron"))});
}

void security_and_storage(const Cluster& c, std::vector<Creation>& out) {
  out.push_back(
      {"security", "KMS key", 2, "one for the cluster's secrets, one for volumes and logs; both rotate"});
  out.push_back({"security", "secret", 1, "empty; `slipway secret set hf-token` fills it"});
  if (c.monthly_budget_usd)
    out.push_back({"security", "budget", 1, fmt::format("{:.2f} USD a month", *c.monthly_budget_usd)});
  if (c.on("enable_s3_models_storage"))
    out.push_back({"storage", "model bucket", 1, "encrypted, private, versioned"});
  if (c.on("enable_ecr_repository")) out.push_back({"storage", "image repository", 1, "scanned on push"});
  out.push_back(
      {"storage", "Terraform state", 1,
       c.state == domain::StateStore::s3 ? "a bucket and key of its own, removed last" : "on this machine"});
}

std::vector<Creation> creations(const Cluster& c, const policy::VersionChoice& version,
                                std::span<const policy::AddonDecision> addons) {
  std::vector<Creation> out;
  network(c, out);
  cluster(c, version, out);
  security_and_storage(c, out);
  for (const policy::AddonDecision& d : addons)
    if (d.on) out.push_back({"add-ons", d.addon->name, 1, fmt::format("{}, {}", d.addon->version, d.why)});
  return out;
}

// What nodes cost and where they may come from.
struct Nodes {
  std::vector<policy::NodePool> pools;
  const domain::PriceList& prices;
  bool auto_mode = false;

  policy::InstanceChoice choose(const policy::InstanceNeed& need) const {
    return policy::choose_instance(need, pools, prices.instance_types);
  }
  // 0 when no type fits or its price is not known.
  double usd_hour(const policy::InstanceChoice& choice) const {
    const double usd = choice.type ? choice.type->usd_per_hour.value_or(0) : 0;
    return usd * (auto_mode ? 1 + prices.auto_mode_share : 1);
  }
};

ModelPlan plan_model(const domain::ModelSpec& spec, const Nodes& nodes) {
  const bool copy = spec.framework == domain::Framework::s3_copy;
  ModelPlan out{.name = spec.service_name + (copy ? "-copy" : ""),
                .file = spec.source,
                .model = spec.model,
                .framework = spec.framework,
                .need = policy::need_of(spec),
                .pods = policy::pods_of(spec),
                .replicas = spec.replicas};
  out.choice = nodes.choose(out.need);
  out.usd_hour_replica = nodes.usd_hour(out.choice) * out.pods;
  if (const auto head = policy::head_need_of(spec)) {
    out.head = HeadPlan{.need = *head, .choice = nodes.choose(*head)};
    out.head->usd_hour = nodes.usd_hour(out.head->choice);
  }
  return out;
}

std::vector<policy::PlannedInstances> instances(const Plan& plan, const Cluster& c,
                                                const domain::PriceList& prices) {
  std::vector<policy::PlannedInstances> out;
  const auto add = [&](const std::string& type, int count, std::string whose) {
    if (const domain::InstanceType* found = prices.instance(type))
      out.push_back({found, count, std::move(whose)});
  };
  if (!c.auto_mode() && !c.core_instance_types.empty())
    add(c.core_instance_types.front(), c.core_nodes, "core nodes");
  for (const policy::PriceRow& row : plan.bill.rows)
    if (row.item.unit.starts_with("ec2:") && row.item.what != "core node")
      add(row.item.unit.substr(4), static_cast<int>(row.item.quantity), "add-ons");
  for (const ModelPlan& m : plan.models) {
    if (m.choice.type) out.push_back({m.choice.type, m.pods * m.replicas, m.name});
    if (m.head && m.head->choice.type) out.push_back({m.head->choice.type, 1, m.name + "'s head"});
  }
  return out;
}

Error all_blockers(std::vector<Error> errors) {
  std::string detail;
  for (std::size_t i = 1; i < errors.size(); ++i)
    detail +=
        fmt::format("{}{} {}", i > 1 ? "\n" : "", base::code_name(errors[i].code()), errors[i].message());
  Error first = std::move(errors.front());
  return detail.empty() ? first : std::move(first).with_detail(detail);
}

}  // namespace

Result<Plan> make_plan(const PlanInputs& in) {
  const Cluster& c = in.blueprint.cluster;
  if (!in.blueprint.origins.contains("name"))
    return Error(ErrorCode::missing_key, fmt::format("{} gives the environment no name", in.blueprint.source))
        .with_next("Add a line like `name = \"inference\"`.");
  if (auto errors = policy::blockers(in.blueprint, in.facts); !errors.empty())
    return all_blockers(std::move(errors));
  const auto origin = in.blueprint.origins.find("eks_cluster_version");
  SLIPWAY_TRY(const policy::VersionChoice version,
              policy::choose_version(in.facts, c.kubernetes_version, in.today,
                                     origin == in.blueprint.origins.end() ? "default" : origin->second));
  Plan plan{.name = in.blueprint.name,
            .region = c.region,
            .today = in.today,
            .version = version,
            .warnings = in.blueprint.warnings,
            .prices_region = in.prices.region,
            .prices_date = in.prices.date};
  plan.addons = policy::decide_addons(c, in.addons);
  const std::vector<domain::Addon> on = policy::addons_on(plan.addons);
  plan.creations = creations(c, version, plan.addons);
  const auto items = policy::fixed_items(c, on, version.support == policy::Support::extended, in.prices);
  plan.bill = policy::price(items, in.prices);
  const Nodes nodes{policy::node_pools(c, on), in.prices, c.auto_mode()};
  for (const domain::ModelSpec& spec : in.models) plan.models.push_back(plan_model(spec, nodes));
  int balancers = 0;
  for (const domain::Addon& a : on) balancers += a.needs.load_balancers;
  plan.quotas = policy::quota_needs(c, instances(plan, c, in.prices), balancers);
  plan.risks = policy::risks({in.blueprint, version, plan.bill, in.prices, on});
  return plan;
}

}  // namespace slipway::environment
