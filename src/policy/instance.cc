#include "policy/instance.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace slipway::policy {
namespace {

using domain::Accelerator, domain::InstanceType, domain::ModelSpec;

// What a vLLM server asks for beside its devices when the file says nothing (platform/charts/inference).
constexpr int kServerCpuM = 4'000;
constexpr std::int64_t kServerMemoryMib = 16 * 1'024;
constexpr std::string_view kExactPool = "gpu-";  // "gpu-p5-48xlarge": one type

bool general(const InstanceType& t) {
  return (t.category == "c" || t.category == "m" || t.category == "r") && t.gpus == 0 &&
         t.neuron_devices == 0;
}

// "p5.48xlarge" -> "p5-48xlarge", as pools are named.
std::string pool_suffix(std::string name) {
  std::ranges::replace(name, '.', '-');
  return name;
}

bool holds(const InstanceType& t, const InstanceNeed& need) {
  return t.allocatable_cpu_m >= need.cpu_m && t.allocatable_memory_mib >= need.memory_mib &&
         t.gpus >= need.gpus && t.neuron_devices >= need.neuron_devices;
}

double price(const InstanceType& t) {
  return t.usd_per_hour.value_or(std::numeric_limits<double>::infinity());
}

std::string words(const InstanceNeed& need) {
  std::string out =
      fmt::format("{:.1f} CPU, {:.0f} GiB", need.cpu_m / 1e3, static_cast<double>(need.memory_mib) / 1'024);
  if (need.gpus > 0) out += fmt::format(", {} GPU", need.gpus);
  if (need.neuron_devices > 0) out += fmt::format(", {} Neuron", need.neuron_devices);
  return out;
}

std::string why_none(const InstanceNeed& need, std::span<const InstanceType> types) {
  if (!need.instance_type.empty()) {
    const auto named = std::ranges::find(types, need.instance_type, &InstanceType::name);
    if (named == types.end()) return fmt::format("there is no instance type {}", need.instance_type);
    if (!in_pool(need.pool, *named))
      return fmt::format("the node pool {} does not start {}", need.pool, need.instance_type);
    return fmt::format("{} does not hold {}", need.instance_type, words(need));
  }
  return fmt::format("no instance type of the node pool {} holds {}", need.pool, words(need));
}

}  // namespace

InstanceNeed need_of(const ModelSpec& spec) {
  InstanceNeed need{.cpu_m = spec.cpu_request_m > 0 ? spec.cpu_request_m : kServerCpuM,
                    .memory_mib = spec.memory_request_mib > 0 ? spec.memory_request_mib : kServerMemoryMib,
                    .instance_type = spec.instance_type};
  switch (spec.accelerator) {
    case Accelerator::gpu:
      need.pool = "gpu";
      need.gpus = std::max(1, spec.accelerators_per_replica);
      break;
    case Accelerator::neuron:
      need.pool = "neuron";
      need.neuron_devices = std::max(1, spec.accelerators_per_replica);
      break;
    case Accelerator::graviton:
      need.pool = "graviton";
      break;
    case Accelerator::cpu:
      need.pool = "general-purpose";
      break;
  }
  // Types with EFA have pools of their own, one exact type each.
  if (spec.instance_type.starts_with("p"))
    need.pool = std::string(kExactPool) + pool_suffix(spec.instance_type);
  return need;
}

int pods_of(const ModelSpec& spec) {
  if (spec.framework != domain::Framework::lws_vllm) return 1;
  const auto found = spec.parameters.find("pipelineParallelSize");
  if (found == spec.parameters.end()) return 1;
  const auto* n = std::get_if<std::int64_t>(&found->second.value);
  return n && *n >= 1 && *n <= 1'024 ? static_cast<int>(*n) : 1;
}

bool in_pool(std::string_view pool, const InstanceType& t) {
  if (pool == "general-purpose") return general(t) && t.generation > 4 && t.arch == "amd64";
  if (pool == "graviton") return general(t) && t.generation > 6 && t.arch == "arm64";
  if (pool == "gpu") return t.category == "g" && t.generation > 4 && t.arch == "amd64" && t.gpus > 0;
  if (pool == "neuron") return t.family == "inf2" || t.family == "trn1" || t.family == "trn2";
  return pool.starts_with(kExactPool) && pool.substr(kExactPool.size()) == pool_suffix(t.name);
}

InstanceChoice choose_instance(const InstanceNeed& need, std::span<const InstanceType> types) {
  std::vector<const InstanceType*> fit;
  for (const InstanceType& t : types) {
    const bool named = need.instance_type.empty() || t.name == need.instance_type;
    if (named && in_pool(need.pool, t) && holds(t, need)) fit.push_back(&t);
  }
  InstanceChoice out;
  if (fit.empty()) {
    out.why = why_none(need, types);
    return out;
  }
  std::ranges::sort(fit, [](const InstanceType* a, const InstanceType* b) {
    return std::pair(price(*a), a->name) < std::pair(price(*b), b->name);
  });
  out.type = fit.front();
  out.why = need.instance_type.empty() ? fmt::format("cheapest of {} types of the pool {} that hold {}",
                                                     fit.size(), need.pool, words(need))
                                       : "named by the values file";
  out.next.assign(fit.begin() + 1,
                  fit.begin() + static_cast<std::ptrdiff_t>(std::min(fit.size(), kNextChoices + 1)));
  return out;
}

}  // namespace slipway::policy
