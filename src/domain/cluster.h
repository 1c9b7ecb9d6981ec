// What a blueprint says about a cluster: the part of a Blueprint that the targets "kubernetes" and "eks"
// read.
//
// Every value has the default of the one table of variables (codec/blueprint); codec::default_blueprint() is
// where a Cluster comes from. Plain values. Units: GiB, USD, days.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slipway::domain {

enum class Topology { same_zone, spread };
enum class StateStore { local, s3 };

struct Cluster {
  std::string region;
  std::optional<std::string> kubernetes_version;  // unset: the newest in standard support
  int zones = 0;
  std::string vpc_cidr;
  std::vector<std::string> secondary_cidrs;  // of nodes and pods
  int private_prefix = 0;
  int public_prefix = 0;
  int control_plane_prefix = 0;
  std::vector<std::string> allowed_inbound_cidrs;  // who reaches the API endpoint; empty: only the VPC
  std::vector<std::string> interface_endpoints;    // AWS services: "ecr.api", "sts"
  std::vector<std::string> core_instance_types;
  int core_nodes = 0;
  int core_nodes_max = 0;
  int core_disk_gib = 0;
  int log_retention_days = 0;
  std::string ami_family;
  // Of target "kubernetes"; an empty `gateway_image`: no gateway is installed.
  std::string kubeconfig, kube_context, kube_namespace, gateway_image;
  std::map<std::string, bool> node_pools;  // "gpu", "neuron", ...
  std::map<std::string, bool> eks_addons;  // enable_cluster_addons
  std::map<std::string, std::int64_t>
      node_limits;                       // "cpu", "memory_gib", "gpu", "neuron": of all pools together
  std::map<std::string, bool> switches;  // every true-or-false variable of the table by its name
  std::optional<double> monthly_budget_usd;
  Topology topology = Topology::same_zone;
  StateStore state = StateStore::local;
  // What Terraform reads: variable -> its value as JSON, defaults included.
  std::map<std::string, std::string> terraform;

  // The value of a true-or-false variable.
  bool on(const std::string& variable) const {
    const auto found = switches.find(variable);
    return found != switches.end() && found->second;
  }
  bool single_nat_gateway() const { return on("single_nat_gateway"); }
  bool auto_mode() const { return on("enable_eks_auto_mode"); }
  bool is_protected() const { return on("protected"); }
};

}  // namespace slipway::domain
