// Which instance type a replica gets: what Karpenter's price order chooses among the types of a node pool.
//
// Intuition (Karpenter's own scheduling): a pool names requirements; of the types that meet them and whose
// allocatable resources hold the pod, the cheapest on-demand price wins. Ties go to the name. Prices that are
// not known lose to every price that is. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/model.h"
#include "domain/price.h"

namespace slipway::policy {

// What one pod asks for.
struct InstanceNeed {
  std::string pool = {};  // "general-purpose", "graviton", "gpu", "neuron", or "gpu-p5-48xlarge"
  int cpu_m = 0;
  std::int64_t memory_mib = 0;
  int gpus = 0;
  int neuron_devices = 0;
  std::string instance_type = {};  // the file's own choice; empty: any
};

// A replica of `spec`, and how many pods (nodes) it has: LeaderWorkerSet spreads one over several.
InstanceNeed need_of(const domain::ModelSpec& spec);
int pods_of(const domain::ModelSpec& spec);

// Whether a pool of that name may start this type; platform/charts/node-pools says the same to Karpenter.
bool in_pool(std::string_view pool, const domain::InstanceType& type);

struct InstanceChoice {
  const domain::InstanceType* type = nullptr;  // of `types`; nullptr: none fits
  std::string why = {};  // one sentence: how many types, what decided; or what no type meets
  std::vector<const domain::InstanceType*> next = {};  // up to kNextChoices that come after it
};
inline constexpr std::size_t kNextChoices = 3;

InstanceChoice choose_instance(const InstanceNeed& need, std::span<const domain::InstanceType> types);

}  // namespace slipway::policy
