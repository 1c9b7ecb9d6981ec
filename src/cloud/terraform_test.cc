#include "cloud/terraform.h"

#include <gtest/gtest.h>

#include "cloud/sweep.h"

namespace slipway::cloud {
namespace {

Json change(const char* address, std::vector<std::string> actions) {
  return {{"address", address},
          {"type", "aws_vpc"},
          {"mode", "managed"},
          {"change", {{"actions", actions}, {"after", {{"name", "n"}}}}}};
}

TEST(TerraformPlan, CountsWhatChangesAndLeavesOutWhatStays) {
  const Change read =
      read_change({{"resource_changes",
                    Json::array({change("a", {"create"}), change("b", {"no-op"}), change("c", {"update"}),
                                 change("d", {"delete", "create"}), change("e", {"delete"})})}});
  EXPECT_EQ(read.resources.size(), 4u);
  EXPECT_EQ(read.count("create"), 1);
  EXPECT_EQ(read.count("update"), 1);
  EXPECT_EQ(read.count("replace"), 1);
  EXPECT_EQ(read.count("delete"), 1);
  EXPECT_FALSE(read.none());
}

TEST(TerraformPlan, DataSourcesAreNoChange) {
  Json read = change("data.aws_region.here", {"read"});
  read["mode"] = "data";
  EXPECT_TRUE(read_change({{"resource_changes", Json::array({read})}}).none());
}

TEST(TerraformPlan, AnOutputAloneIsAChange) {
  EXPECT_FALSE(read_change({{"output_changes", {{"x", {{"actions", {"create"}}}}}}}).none());
}

TEST(TerraformLock, NamesItsOwner) {
  const auto lock = read_lock(
      "Error: Error acquiring the state lock\n\nLock Info:\n  ID:        6d3f2c10-aa\n  Path:      b/k\n  "
      "Who:       "
      "ann@laptop\n");
  ASSERT_TRUE(lock);
  EXPECT_EQ(lock->id, "6d3f2c10-aa");
  EXPECT_EQ(lock->who, "ann@laptop");
  EXPECT_FALSE(read_lock("Error: no credentials"));
}

Item item(const char* service, const char* type) {
  return {service, type, "id", "name", "", 0, {}};
}

TEST(Sweep, UsersGoBeforeWhatTheyUse) {
  const std::vector<Item> order = sweep_order(
      {item("kms", "key"), item("ec2", "vpc"), item("ec2", "subnet"), item("ec2", "security-group"),
       item("eks", "cluster"), item("eks", "node-group"), item("elasticloadbalancing", "load-balancer"),
       item("ec2", "network-interface"), item("ec2", "nat-gateway"), item("ec2", "elastic-ip")});
  std::vector<std::string> types;
  for (const Item& i : order) types.push_back(i.type);
  EXPECT_EQ(types, (std::vector<std::string>{"load-balancer", "node-group", "cluster", "nat-gateway",
                                             "network-interface", "elastic-ip", "security-group", "subnet",
                                             "vpc", "key"}));
}

TEST(Sweep, WhatNobodyKnowsIsNotTouched) {
  EXPECT_TRUE(sweep_order({item("rds", "db")}).empty());
}

}  // namespace
}  // namespace slipway::cloud
