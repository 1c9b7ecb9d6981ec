#include "environment/placeholders.h"

#include <gtest/gtest.h>

#include "codec/addon.h"
#include "codec/blueprint.h"
#include "environment/addons.h"

namespace slipway::environment {
namespace {

// What Terraform's outputs.tf promises.
Json outputs() {
  Json out = Json::object();
  for (const char* name :
       {"cluster_name", "cluster_endpoint", "cluster_version", "region", "account_id", "partition", "vpc_id",
        "node_role_name", "node_role_arn", "interruption_queue_name", "node_security_group_id",
        "cluster_security_group_id", "kms_key_arn"})
    out[name] = std::string("<") + name + ">";
  out["node_subnet_ids"] = {"subnet-1", "subnet-2"};
  out["efa_security_group_id"] = "sg-efa";
  return out;
}

TEST(Placeholders, TextIsInsertedAsItIsAndListsAsJson) {
  const codec::Facts facts = placeholders(codec::default_blueprint(), outputs());
  EXPECT_EQ(facts.at("vpc_id"), "<vpc_id>");
  EXPECT_EQ(facts.at("node_subnet_ids"), R"(["subnet-1","subnet-2"])");
  EXPECT_EQ(facts.at("enable_eks_auto_mode"), "false");
}

TEST(Placeholders, EveryAddonsFilesCanBeFilled) {
  domain::Blueprint blueprint = codec::default_blueprint();
  blueprint.name = "inference";
  const codec::Facts values = placeholders(blueprint, outputs());
  for (const domain::Addon& addon : codec::built_in_addons()) {
    const auto files = addon_files(addon, values);
    EXPECT_TRUE(files) << files.error().to_string();
  }
}

TEST(Placeholders, PoolsThatAreOnHaveLimits) {
  domain::Cluster cluster = codec::default_blueprint().cluster;
  cluster.node_pools = {{"gpu", true}, {"gpu-p5-48xlarge", true}, {"neuron", false}};
  cluster.node_limits = {{"cpu", 100}, {"memory_gib", 400}, {"gpu", 8}, {"neuron", 4}};
  const Json limits = pool_limits(cluster);
  EXPECT_EQ(limits["gpu"]["nvidia.com/gpu"], 8);
  EXPECT_EQ(limits["gpu-p5-48xlarge"]["nvidia.com/gpu"], 8);
  EXPECT_EQ(limits["general-purpose"]["memory"], "400Gi");
  EXPECT_FALSE(limits.contains("neuron"));
}

}  // namespace
}  // namespace slipway::environment
