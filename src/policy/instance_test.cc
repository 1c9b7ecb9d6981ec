#include "policy/instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::policy {
namespace {

using domain::Accelerator, domain::InstanceType, domain::ModelSpec;
using testing::HasSubstr;

InstanceType type(std::string name, std::string category, int generation, double usd, int cpu, int gib) {
  InstanceType t{.name = name,
                 .family = name.substr(0, name.find('.')),
                 .category = std::move(category),
                 .size = "",
                 .arch = "amd64"};
  t.generation = generation;
  t.usd_per_hour = usd;
  t.allocatable_cpu_m = cpu * 1'000;
  t.allocatable_memory_mib = gib * 1'024;
  return t;
}
std::vector<InstanceType> types() {
  std::vector<InstanceType> out = {
      type("g4dn.xlarge", "g", 4, 0.5, 4, 16),   type("g5.xlarge", "g", 5, 1.0, 4, 16),
      type("g5.2xlarge", "g", 5, 1.2, 8, 32),    type("g6.2xlarge", "g", 6, 0.98, 8, 32),
      type("g5.12xlarge", "g", 5, 5.7, 48, 192), type("p5.48xlarge", "p", 5, 55, 192, 900),
      type("m6i.xlarge", "m", 6, 0.19, 4, 16)};
  for (InstanceType& t : out) {
    if (t.category == "g") t.gpus = t.name == "g5.12xlarge" ? 4 : 1;
    if (t.category == "p") t.gpus = 8;
  }
  return out;
}

constexpr std::int64_t kPlenty = 1'000;

NodePool pool(std::string name) {
  return {.name = std::move(name), .cpu = kPlenty, .memory_gib = kPlenty, .gpus = 8, .neuron_devices = 12};
}
const std::vector<NodePool> kGpuPools = {pool("general-purpose"), pool("gpu"), pool("gpu-p5-48xlarge")};

InstanceNeed gpu_need(int cpu_m, std::int64_t memory_mib, int gpus, std::string type = {}) {
  return {.accelerator = Accelerator::gpu,
          .cpu_m = cpu_m,
          .memory_mib = memory_mib,
          .gpus = gpus,
          .instance_type = std::move(type)};
}
std::string chosen(const InstanceNeed& need, std::span<const NodePool> pools = kGpuPools) {
  static const auto all = types();
  const InstanceChoice c = choose_instance(need, pools, all);
  return c.type ? c.type->name + " of " + c.pool : c.why;
}

TEST(Instance, TheCheapestTypeOfThePoolThatHoldsThePodWins) {
  const auto all = types();
  const InstanceChoice c = choose_instance(gpu_need(4'000, 20'480, 1), kGpuPools, all);
  ASSERT_TRUE(c.type);
  EXPECT_EQ(c.type->name, "g6.2xlarge");
  EXPECT_THAT(c.why, HasSubstr("cheapest of 3 types of the pool gpu"));
  ASSERT_FALSE(c.next.empty());
  EXPECT_EQ(c.next.front()->name, "g5.2xlarge");
}

TEST(Instance, AGenerationThatThePoolLeavesOutIsNeverChosen) {
  EXPECT_EQ(chosen(gpu_need(1'000, 1'024, 1)), "g6.2xlarge of gpu");
}

TEST(Instance, FourDevicesNeedATypeThatHasFour) {
  EXPECT_EQ(chosen(gpu_need(1'000, 1'024, 4)), "g5.12xlarge of gpu");
}

TEST(Instance, APoolOfOneDearTypeComesAfterThePoolOfMany) {
  EXPECT_EQ(chosen(gpu_need(1'000, 1'024, 8)), "p5.48xlarge of gpu-p5-48xlarge");
  EXPECT_EQ(chosen(gpu_need(1'000, 1'024, 1, "p5.48xlarge")), "p5.48xlarge of gpu-p5-48xlarge");
}

TEST(Instance, WhatTheNodesOwnDaemonsTakeIsNotLeftForThePod) {
  auto pools = kGpuPools;
  pools[1].daemon_cpu_m = 1;
  EXPECT_EQ(chosen(gpu_need(8'000, 1'024, 1)), "g6.2xlarge of gpu");
  EXPECT_EQ(chosen(gpu_need(8'000, 1'024, 1), pools), "g5.12xlarge of gpu");
}

TEST(Instance, ATypeWithoutAPriceIsTakenOnlyWhenTheFileNamesIt) {
  auto all = types();
  for (InstanceType& t : all)
    if (t.family == "g5") t.usd_per_hour.reset();
  EXPECT_FALSE(choose_instance(gpu_need(1'000, 1'024, 4), std::span(kGpuPools).first(2), all).type);
  const auto named = choose_instance(gpu_need(1'000, 1'024, 4, "g5.12xlarge"), kGpuPools, all);
  ASSERT_TRUE(named.type);
  EXPECT_THAT(named.why, HasSubstr("needs a capacity block or a reservation"));
}

TEST(Instance, DiskAndNetworkMustBeMoreThanTheFileSays) {
  auto all = types();
  all.back().local_nvme_gib = 600;
  all.back().network_mbps = 20'000;
  InstanceNeed need{.cpu_m = 1'000, .memory_mib = 1'024};
  need.local_nvme_above_gib = 600;
  EXPECT_THAT(choose_instance(need, kGpuPools, all).why, HasSubstr("more than 600 GiB of NVMe"));
  need.local_nvme_above_gib = 599;
  need.network_above_mbps = 19'999;
  EXPECT_TRUE(choose_instance(need, kGpuPools, all).type);
  need.network_above_mbps = 20'000;
  EXPECT_FALSE(choose_instance(need, kGpuPools, all).type);
}

TEST(Instance, WhatFitsNowhereSaysWhy) {
  EXPECT_THAT(chosen(gpu_need(1'000, 1'024, 9)),
              HasSubstr("no instance type that the node pools gpu, gpu-p5-48xlarge may start holds 1.0 CPU, "
                        "1 GiB, 9 GPU"));
  EXPECT_THAT(chosen(gpu_need(0, 0, 1, "m6i.xlarge")), HasSubstr("no node pool of this environment starts"));
  EXPECT_THAT(chosen(gpu_need(0, 0, 1, "g9.big")), HasSubstr("there is no instance type g9.big"));
  EXPECT_THAT(chosen(gpu_need(0, 0, 2, "g6.2xlarge")), HasSubstr("g6.2xlarge does not hold"));
  const InstanceNeed arm{.accelerator = Accelerator::graviton, .cpu_m = 1, .memory_mib = 1};
  EXPECT_THAT(chosen(arm), HasSubstr("add graviton to nodepools"));
  auto tight = kGpuPools;
  tight[1].gpus = 3;
  EXPECT_THAT(chosen(gpu_need(0, 0, 4, "g5.12xlarge"), tight), HasSubstr("beyond node_limits"));
}

TEST(Instance, AFilesOwnTypeAndDevicesAreItsNeed) {
  ModelSpec spec;
  spec.accelerator = Accelerator::neuron;
  spec.accelerators_per_replica = 12;
  EXPECT_EQ(need_of(spec).accelerator, Accelerator::neuron);
  EXPECT_EQ(need_of(spec).neuron_devices, 12);
  spec.framework = domain::Framework::lws_vllm;
  spec.parameters["pipelineParallelSize"] = {.value = std::int64_t{2}};
  EXPECT_EQ(pods_of(spec), 2);
}

TEST(Instance, AFileThatSaysNothingAsksForWhatTheChartAsksFor) {
  ModelSpec spec;
  EXPECT_EQ(need_of(spec).cpu_m, 2'000);
  EXPECT_EQ(need_of(spec).memory_mib, 8'192);
  spec.accelerator = Accelerator::graviton;
  EXPECT_EQ(need_of(spec).cpu_m, 4'000);
}

TEST(Instance, RaysHeadIsAPodOfItsOwnAndItsAutoscalerCounts) {
  ModelSpec spec;
  EXPECT_FALSE(head_need_of(spec));
  spec.framework = domain::Framework::ray_vllm;
  ASSERT_TRUE(head_need_of(spec));
  EXPECT_EQ(head_need_of(spec)->accelerator, Accelerator::cpu);
  EXPECT_EQ(head_need_of(spec)->gpus, 0);
  spec.ray_autoscaling = true;
  EXPECT_EQ(head_need_of(spec)->cpu_m, 2'200);
}

TEST(Instance, AnEnvironmentHasThePoolsThatItTurnsOnWithItsDaemons) {
  domain::Cluster c;
  c.node_pools = {{"gpu", true}, {"neuron", false}, {"gpu-p5-48xlarge", true}};
  c.node_limits = {{"cpu", 64}, {"memory_gib", 256}, {"gpu", 4}};
  c.eks_addons = {{"kube-proxy", true}, {"vpc-cni", false}};
  domain::Addon logs, metrics, network;
  logs.daemons = {.cpu_m = 50, .memory_mib = 128};
  network.daemons = {.cpu_m = 7, .arch = "arm64"};
  metrics.daemons = {.cpu_m = 100, .memory_mib = 256, .accelerator = "gpu"};
  const std::vector<domain::Addon> addons = {logs, metrics, network};
  const auto pools = node_pools(c, addons);
  ASSERT_EQ(pools.size(), 3u);
  EXPECT_EQ(pools[0].name, "general-purpose");
  EXPECT_EQ(pools[0].gpus, 0);
  EXPECT_EQ(pools[0].daemon_cpu_m, 150);
  EXPECT_EQ(pools[1].name, "gpu");
  EXPECT_EQ(pools[1].gpus, 4);
  EXPECT_EQ(pools[1].daemon_cpu_m, 250);
  EXPECT_EQ(pools[1].daemon_memory_mib, 384);
  EXPECT_EQ(pools[2].name, "gpu-p5-48xlarge");
}

}  // namespace
}  // namespace slipway::policy
