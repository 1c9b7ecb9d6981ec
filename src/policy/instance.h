// Which instance type a replica gets: what Karpenter's price order chooses among the types of a node pool.
//
// Intuition (Karpenter's own scheduling): a pool names requirements and limits. Pools are tried in the order
// of their weights; in the first one of which a type holds the pod beside the node's own daemons, the
// cheapest price wins. Ties go to the name. A type without a known price is never the answer unless the file
// names it. Pure. tests/cluster/pods/test_karpenter.py holds the answers against those of the real Karpenter.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/addon.h"
#include "domain/cluster.h"
#include "domain/model.h"
#include "domain/price.h"

namespace slipway::policy {

// What one pod asks for.
struct InstanceNeed {
  domain::Accelerator accelerator = domain::Accelerator::cpu;  // whose pools it goes to
  int cpu_m = 0;
  std::int64_t memory_mib = 0;
  int gpus = 0;
  int neuron_devices = 0;
  int efa = 0;
  std::int64_t local_nvme_above_gib = 0;
  std::int64_t network_above_mbps = 0;
  std::string instance_type = {};  // the file's own choice; empty: any
};

// A replica of `spec`, and how many pods (nodes) it has: LeaderWorkerSet spreads one over several.
InstanceNeed need_of(const domain::ModelSpec& spec);
int pods_of(const domain::ModelSpec& spec);
// Ray's head, one a model: it schedules and needs no device. Nothing for other frameworks.
std::optional<InstanceNeed> head_need_of(const domain::ModelSpec& spec);

// A node pool that an environment has, and the most that it may start.
struct NodePool {
  std::string name = {};  // "general-purpose", "graviton", "gpu", "neuron", "gpu-p5-48xlarge"
  std::int64_t cpu = 0;
  std::int64_t memory_gib = 0;
  std::int64_t gpus = 0;
  std::int64_t neuron_devices = 0;
  // What the DaemonSets of the environment's add-ons take of every node.
  int daemon_cpu_m = 0;
  std::int64_t daemon_memory_mib = 0;
};
// Those that the blueprint turns on, in the order in which Karpenter tries them. `addons`: those that are on.
std::vector<NodePool> node_pools(const domain::Cluster& cluster, std::span<const domain::Addon> addons);

// Whether a pool of that name may start this type; platform/charts/node-pools says the same to Karpenter.
bool in_pool(std::string_view pool, const domain::InstanceType& type);

struct InstanceChoice {
  const domain::InstanceType* type = nullptr;  // of `types`; nullptr: none fits
  std::string pool = {};                       // that starts it; empty: none
  std::string why = {};  // one sentence: how many types, what decided; or what no type meets
  std::vector<const domain::InstanceType*> next = {};  // up to kNextChoices that come after it
};
inline constexpr std::size_t kNextChoices = 3;

InstanceChoice choose_instance(const InstanceNeed& need, std::span<const NodePool> pools,
                               std::span<const domain::InstanceType> types);

}  // namespace slipway::policy
