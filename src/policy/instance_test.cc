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
      type("g5.12xlarge", "g", 5, 5.7, 48, 192), type("m6i.xlarge", "m", 6, 0.19, 4, 16)};
  for (InstanceType& t : out)
    if (t.category == "g") t.gpus = t.name == "g5.12xlarge" ? 4 : 1;
  return out;
}

TEST(Instance, TheCheapestTypeOfThePoolThatHoldsThePodWins) {
  const auto all = types();
  const InstanceChoice c = choose_instance(
      {.pool = "gpu", .cpu_m = 4'000, .memory_mib = 20'480, .gpus = 1, .instance_type = {}}, all);
  ASSERT_TRUE(c.type);
  EXPECT_EQ(c.type->name, "g6.2xlarge");
  EXPECT_THAT(c.why, HasSubstr("cheapest of 3 types of the pool gpu"));
  ASSERT_FALSE(c.next.empty());
  EXPECT_EQ(c.next.front()->name, "g5.2xlarge");
}

TEST(Instance, AGenerationThatThePoolLeavesOutIsNeverChosen) {
  const auto all = types();
  EXPECT_EQ(choose_instance(
                {.pool = "gpu", .cpu_m = 1'000, .memory_mib = 1'024, .gpus = 1, .instance_type = {}}, all)
                .type->name,
            "g6.2xlarge");
}

TEST(Instance, FourDevicesNeedATypeThatHasFour) {
  const auto all = types();
  EXPECT_EQ(choose_instance(
                {.pool = "gpu", .cpu_m = 1'000, .memory_mib = 1'024, .gpus = 4, .instance_type = {}}, all)
                .type->name,
            "g5.12xlarge");
}

TEST(Instance, WhatFitsNowhereSaysWhy) {
  const auto all = types();
  const auto none = choose_instance(
      {.pool = "gpu", .cpu_m = 1'000, .memory_mib = 1'024, .gpus = 8, .instance_type = {}}, all);
  EXPECT_FALSE(none.type);
  EXPECT_THAT(none.why, HasSubstr("no instance type of the node pool gpu holds 1.0 CPU, 1 GiB, 8 GPU"));
  EXPECT_THAT(choose_instance({.pool = "gpu", .gpus = 1, .instance_type = "m6i.xlarge"}, all).why,
              HasSubstr("the node pool gpu does not start m6i.xlarge"));
  EXPECT_THAT(choose_instance({.pool = "gpu", .gpus = 1, .instance_type = "g9.big"}, all).why,
              HasSubstr("there is no instance type g9.big"));
}

TEST(Instance, AFilesOwnTypeAndDevicesAreItsNeed) {
  ModelSpec spec;
  spec.accelerator = Accelerator::neuron;
  spec.accelerators_per_replica = 12;
  EXPECT_EQ(need_of(spec).pool, "neuron");
  EXPECT_EQ(need_of(spec).neuron_devices, 12);
  spec.accelerator = Accelerator::gpu;
  spec.instance_type = "p5en.48xlarge";
  EXPECT_EQ(need_of(spec).pool, "gpu-p5en-48xlarge");
  spec.framework = domain::Framework::lws_vllm;
  spec.parameters["pipelineParallelSize"] = {.value = std::int64_t{2}};
  EXPECT_EQ(pods_of(spec), 2);
}

}  // namespace
}  // namespace slipway::policy
