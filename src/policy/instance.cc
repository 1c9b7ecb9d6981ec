#include "policy/instance.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace slipway::policy {
namespace {

using domain::Accelerator, domain::Addon, domain::Cluster, domain::InstanceType, domain::ModelSpec;

// What a pod asks for when the file says nothing: the defaults of platform/charts/inference.
constexpr int kDeviceServerCpuM = 2'000;
constexpr int kProcessorServerCpuM = 4'000;
constexpr std::int64_t kServerMemoryMib = 8 * 1'024;
constexpr int kCopyCpuM = 4'000;
constexpr std::int64_t kCopyMemoryMib = 16 * 1'024;
constexpr int kRayHeadCpuM = 2'000;
constexpr std::int64_t kRayHeadMemoryMib = 8 * 1'024;
constexpr int kRayAutoscalerCpuM = 200;
constexpr std::int64_t kRayAutoscalerMemoryMib = 512;

// What EKS itself runs on every node that is not Auto Mode's, by its name in enable_cluster_addons.
struct EksDaemon {
  std::string_view addon;
  int cpu_m;
};
constexpr EksDaemon kEksDaemons[] = {{"vpc-cni", 50}, {"kube-proxy", 100}};

constexpr std::string_view kExactPool = "gpu-";  // "gpu-p5-48xlarge": one type
// In the order of the weights in platform/charts/node-pools: what is bought by the hour before what is
// reserved.
constexpr std::string_view kPools[] = {"general-purpose",
                                       "graviton",
                                       "gpu",
                                       "neuron",
                                       "gpu-p5-48xlarge",
                                       "gpu-p5e-48xlarge",
                                       "gpu-p5en-48xlarge",
                                       "gpu-p6-b200-48xlarge",
                                       "gpu-p6-b300-48xlarge"};

bool general(const InstanceType& t) {
  return (t.category == "c" || t.category == "m" || t.category == "r") && t.gpus == 0 &&
         t.neuron_devices == 0;
}

// "p5.48xlarge" -> "p5-48xlarge", as pools are named.
std::string pool_suffix(std::string name) {
  std::ranges::replace(name, '.', '-');
  return name;
}

Accelerator accelerator_of(std::string_view pool) {
  if (pool == "gpu" || pool.starts_with(kExactPool)) return Accelerator::gpu;
  if (pool == "neuron") return Accelerator::neuron;
  return pool == "graviton" ? Accelerator::graviton : Accelerator::cpu;
}

std::string_view word(Accelerator accelerator) {
  switch (accelerator) {
    case Accelerator::gpu:
      return "gpu";
    case Accelerator::neuron:
      return "neuron";
    case Accelerator::graviton:
      return "graviton";
    case Accelerator::cpu:
      break;
  }
  return "general-purpose";
}

bool holds(const InstanceType& t, const InstanceNeed& need, const NodePool& pool) {
  return t.allocatable_cpu_m >= need.cpu_m + pool.daemon_cpu_m &&
         t.allocatable_memory_mib >= need.memory_mib + pool.daemon_memory_mib && t.gpus >= need.gpus &&
         t.neuron_devices >= need.neuron_devices && t.efa >= need.efa;
}

bool has_disk_and_network(const InstanceType& t, const InstanceNeed& need) {
  return (need.local_nvme_above_gib == 0 || t.local_nvme_gib > need.local_nvme_above_gib) &&
         (need.network_above_mbps == 0 || t.network_mbps > need.network_above_mbps);
}

bool within_limits(const InstanceType& t, const NodePool& pool) {
  return t.vcpu <= pool.cpu && t.memory_mib <= pool.memory_gib * 1'024 && t.gpus <= pool.gpus &&
         t.neuron_devices <= pool.neuron_devices;
}

double price(const InstanceType& t) {
  return t.usd_per_hour.value_or(std::numeric_limits<double>::infinity());
}

std::string words(const InstanceNeed& need) {
  std::string out =
      fmt::format("{:.1f} CPU, {:.0f} GiB", need.cpu_m / 1e3, static_cast<double>(need.memory_mib) / 1'024);
  if (need.gpus > 0) out += fmt::format(", {} GPU", need.gpus);
  if (need.neuron_devices > 0) out += fmt::format(", {} Neuron", need.neuron_devices);
  if (need.efa > 0) out += fmt::format(", {} EFA", need.efa);
  if (need.local_nvme_above_gib > 0)
    out += fmt::format(", more than {} GiB of NVMe", need.local_nvme_above_gib);
  if (need.network_above_mbps > 0)
    out += fmt::format(", more than {:.0f} Gbit/s", static_cast<double>(need.network_above_mbps) / 1e3);
  return out;
}

std::string names(std::span<const NodePool* const> pools) {
  std::string out;
  for (const NodePool* pool : pools) out += fmt::format("{}{}", out.empty() ? "" : ", ", pool->name);
  return out;
}

std::string why_not_named(const InstanceNeed& need, std::span<const NodePool* const> pools,
                          std::span<const InstanceType> types) {
  const auto named = std::ranges::find(types, need.instance_type, &InstanceType::name);
  if (named == types.end()) return fmt::format("there is no instance type {}", need.instance_type);
  const auto pool = std::ranges::find_if(pools, [&](const NodePool* p) { return in_pool(p->name, *named); });
  if (pool == pools.end())
    return fmt::format("no node pool of this environment starts {} for it ({})", need.instance_type,
                       names(pools));
  if (!within_limits(*named, **pool))
    return fmt::format("{} is beyond node_limits: {} CPU, {} GiB, {} GPU, {} Neuron for the pool {}",
                       need.instance_type, (*pool)->cpu, (*pool)->memory_gib, (*pool)->gpus,
                       (*pool)->neuron_devices, (*pool)->name);
  return fmt::format("{} does not hold {}", need.instance_type, words(need));
}

std::string why_none(const InstanceNeed& need, std::span<const NodePool* const> pools,
                     std::span<const InstanceType> types) {
  if (pools.empty())
    return fmt::format("the environment has no node pool for it: add {} to nodepools",
                       word(need.accelerator));
  if (!need.instance_type.empty()) return why_not_named(need, pools, types);
  return fmt::format("no instance type that the node pools {} may start holds {}", names(pools), words(need));
}

// What the pool may start for the pod, cheapest first.
std::vector<const InstanceType*> fitting(const InstanceNeed& need, const NodePool& pool,
                                         std::span<const InstanceType> types) {
  std::vector<const InstanceType*> fit;
  for (const InstanceType& t : types) {
    const bool wanted =
        need.instance_type.empty() ? t.usd_per_hour.has_value() : t.name == need.instance_type;
    if (wanted && in_pool(pool.name, t) && within_limits(t, pool) && holds(t, need, pool) &&
        has_disk_and_network(t, need))
      fit.push_back(&t);
  }
  std::ranges::sort(fit, [](const InstanceType* a, const InstanceType* b) {
    return std::pair(price(*a), a->name) < std::pair(price(*b), b->name);
  });
  return fit;
}

std::string why_chosen(const InstanceNeed& need, const NodePool& pool,
                       std::span<const InstanceType* const> fit) {
  if (need.instance_type.empty())
    return fmt::format("cheapest of {} types of the pool {} that hold {}", fit.size(), pool.name,
                       words(need));
  if (fit.front()->usd_per_hour) return "named by the values file";
  return "named by the values file; no on-demand price is known: it needs a capacity block or a reservation";
}

}  // namespace

InstanceNeed need_of(const ModelSpec& spec) {
  const bool device = spec.accelerator == Accelerator::gpu || spec.accelerator == Accelerator::neuron;
  const bool cache = spec.framework == domain::Framework::nim_operator && spec.accelerators_per_replica == 0;
  const bool copy = spec.framework == domain::Framework::s3_copy;
  InstanceNeed need{.accelerator = copy ? Accelerator::cpu : spec.accelerator,
                    .cpu_m = spec.cpu_request_m,
                    .memory_mib = spec.memory_request_mib,
                    .efa = spec.efa_devices,
                    .local_nvme_above_gib = spec.local_nvme_above_gib,
                    .network_above_mbps = spec.network_above_mbps,
                    .instance_type = spec.instance_type};
  if (need.accelerator == Accelerator::gpu) need.gpus = spec.accelerators_per_replica;
  if (need.accelerator == Accelerator::neuron) need.neuron_devices = spec.accelerators_per_replica;
  if (cache) return need;  // its job asks for nothing
  if (need.cpu_m == 0) need.cpu_m = copy ? kCopyCpuM : device ? kDeviceServerCpuM : kProcessorServerCpuM;
  if (need.memory_mib == 0) need.memory_mib = copy ? kCopyMemoryMib : kServerMemoryMib;
  return need;
}

int pods_of(const ModelSpec& spec) {
  if (spec.framework != domain::Framework::lws_vllm) return 1;
  const auto found = spec.parameters.find("pipelineParallelSize");
  if (found == spec.parameters.end()) return 1;
  const auto* n = std::get_if<std::int64_t>(&found->second.value);
  return n && *n >= 1 && *n <= 1'024 ? static_cast<int>(*n) : 1;
}

std::optional<InstanceNeed> head_need_of(const ModelSpec& spec) {
  if (spec.framework != domain::Framework::ray_vllm) return {};
  InstanceNeed need{
      .accelerator = spec.accelerator == Accelerator::graviton ? Accelerator::graviton : Accelerator::cpu,
      .cpu_m = spec.head_cpu_request_m > 0 ? spec.head_cpu_request_m : kRayHeadCpuM,
      .memory_mib = spec.head_memory_request_mib > 0 ? spec.head_memory_request_mib : kRayHeadMemoryMib};
  if (spec.ray_autoscaling) {
    need.cpu_m += kRayAutoscalerCpuM;
    need.memory_mib += kRayAutoscalerMemoryMib;
  }
  return need;
}

std::vector<NodePool> node_pools(const Cluster& cluster, std::span<const Addon> addons) {
  const auto limit = [&](const char* key) {
    const auto found = cluster.node_limits.find(key);
    return found == cluster.node_limits.end() ? std::int64_t{0} : found->second;
  };
  const auto on = [&](std::string_view pool) {
    const auto found = cluster.node_pools.find(std::string(pool));
    return pool == "general-purpose" || (found != cluster.node_pools.end() && found->second);
  };
  std::vector<NodePool> out;
  for (const std::string_view name : kPools) {
    if (!on(name)) continue;
    NodePool pool{.name = std::string(name), .cpu = limit("cpu"), .memory_gib = limit("memory_gib")};
    const Accelerator accelerator = accelerator_of(name);
    if (accelerator == Accelerator::gpu) pool.gpus = limit("gpu");
    if (accelerator == Accelerator::neuron) pool.neuron_devices = limit("neuron");
    for (const EksDaemon& daemon : kEksDaemons)
      if (const auto found = cluster.eks_addons.find(std::string(daemon.addon));
          !cluster.auto_mode() && found != cluster.eks_addons.end() && found->second)
        pool.daemon_cpu_m += daemon.cpu_m;
    const std::string_view arch = accelerator == Accelerator::graviton ? "arm64" : "amd64";
    for (const Addon& addon : addons) {
      if (!addon.daemons.arch.empty() && addon.daemons.arch != arch) continue;
      if (!addon.daemons.accelerator.empty() && addon.daemons.accelerator != word(accelerator)) continue;
      pool.daemon_cpu_m += addon.daemons.cpu_m;
      pool.daemon_memory_mib += addon.daemons.memory_mib;
    }
    out.push_back(std::move(pool));
  }
  return out;
}

bool in_pool(std::string_view pool, const InstanceType& t) {
  if (pool == "general-purpose") return general(t) && t.generation > 4 && t.arch == "amd64";
  if (pool == "graviton") return general(t) && t.generation > 6 && t.arch == "arm64";
  if (pool == "gpu") return t.category == "g" && t.generation > 4 && t.arch == "amd64" && t.gpus > 0;
  if (pool == "neuron") return t.family == "inf2" || t.family == "trn1" || t.family == "trn2";
  return pool.starts_with(kExactPool) && pool.substr(kExactPool.size()) == pool_suffix(t.name);
}

InstanceChoice choose_instance(const InstanceNeed& need, std::span<const NodePool> pools,
                               std::span<const InstanceType> types) {
  std::vector<const NodePool*> its;
  for (const NodePool& pool : pools)
    if (accelerator_of(pool.name) == need.accelerator) its.push_back(&pool);
  for (const NodePool* pool : its) {
    const auto fit = fitting(need, *pool, types);
    if (fit.empty()) continue;
    InstanceChoice out{.type = fit.front(), .pool = pool->name, .why = why_chosen(need, *pool, fit)};
    const auto after = static_cast<std::ptrdiff_t>(std::min(fit.size(), kNextChoices + 1));
    out.next.assign(fit.begin() + 1, fit.begin() + after);
    return out;
  }
  return {.why = why_none(need, its, types)};
}

}  // namespace slipway::policy
