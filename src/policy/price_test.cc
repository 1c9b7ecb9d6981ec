#include "policy/price.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace slipway::policy {
namespace {

// The unit prices of the reference platform's cost table (us-west-2, August 2025).
domain::PriceList prices() {
  domain::PriceList out;
  out.hours_per_month = 730;
  out.units = {{"eks-control-plane", {0.10, "hour", ""}},
               {"nat-gateway", {0.045, "hour", ""}},
               {"nat-data", {0.045, "GB", ""}},
               {"ebs-gp3", {0.08, "GB-month", ""}},
               {"nlb", {0.0225, "hour", ""}},
               {"nlb-capacity-unit", {0.006, "hour", ""}},
               {"public-ipv4", {0.005, "hour", ""}},
               {"kms-key", {1.0, "month", ""}},
               {"secret", {0.4, "month", ""}},
               {"log-ingest", {0.5, "GB", ""}},
               {"log-storage", {0.03, "GB-month", ""}},
               {"interface-endpoint", {0.01, "hour", ""}},
               {"eks-extended-support", {0.5, "hour", ""}}};
  domain::InstanceType small{
      .name = "m5.large", .family = "m5", .category = "m", .size = "large", .arch = "amd64"};
  small.generation = 5;
  small.usd_per_hour = 0.096;
  domain::InstanceType core{
      .name = "m6i.xlarge", .family = "m6i", .category = "m", .size = "xlarge", .arch = "amd64"};
  core.generation = 6;
  core.vcpu = 4;
  core.allocatable_cpu_m = 3'920;
  core.allocatable_memory_mib = 14'162;
  core.usd_per_hour = 0.192;
  out.instance_types = {small, core};
  return out;
}

// The rows of the reference's own cost table; `core` is its node type.
std::vector<BillItem> reference_rows(const std::string& core) {
  return {{"EKS control plane", "eks-control-plane", 1, ""},
          {"NAT gateway", "nat-gateway", 1, ""},
          {"NAT data", "nat-data", 20, ""},
          {"core nodes", "ec2:" + core, 2, ""},
          {"core disks", "ebs-gp3", 200, ""},
          {"OpenSearch volumes", "ebs-gp3", 90, ""},
          {"network load balancer", "nlb", 1, ""},
          {"its capacity units", "nlb-capacity-unit", 0.008, ""},
          {"public address", "public-ipv4", 1, ""},
          {"KMS", "kms-key", 6, ""}};
}

TEST(Price, TheReferencesOwnRowsAreTwoHundredNinetySixDollars) {
  EXPECT_DOUBLE_EQ(price(reference_rows("m5.large"), prices()).usd_month, 296.22);
}

TEST(Price, WithTheNodeTypeThatTheReferenceReallyStartsItIsMuchMore) {
  EXPECT_DOUBLE_EQ(price(reference_rows("m6i.xlarge"), prices()).usd_month, 436.38);
}

TEST(Price, EachRowSaysItsFormula) {
  const Bill bill = price(reference_rows("m6i.xlarge"), prices());
  EXPECT_EQ(bill.rows[3].formula, "2 x 0.192 USD an hour x 730 h");
  EXPECT_EQ(bill.rows[2].formula, "20 x 0.045 USD a GB");
  EXPECT_DOUBLE_EQ(bill.rows[3].usd_month, 280.32);
}

TEST(Price, WhatHasNoPriceIsNamedAndNotCountedAsFree) {
  const std::vector<BillItem> items = {{"a thing", "nothing", 1, ""}, {"a node", "ec2:x9.huge", 1, ""}};
  const Bill bill = price(items, prices());
  EXPECT_THAT(bill.unpriced, testing::ElementsAre("a thing (nothing)", "a node (ec2:x9.huge)"));
  EXPECT_TRUE(bill.rows.empty());
}

domain::Cluster cluster() {
  domain::Cluster c;
  c.zones = 4;
  c.core_instance_types = {"m6i.xlarge"};
  c.core_nodes = 2;
  c.core_disk_gib = 100;
  c.log_retention_days = 30;
  c.node_limits = {{"cpu", 512}, {"memory_gib", 4'096}};
  c.switches["single_nat_gateway"] = true;
  return c;
}

double quantity(const std::vector<BillItem>& items, const std::string& what) {
  const auto found = std::ranges::find(items, what, &BillItem::what);
  return found == items.end() ? 0 : found->quantity;
}

TEST(FixedBill, OneGatewayAZoneWhenAskedFor) {
  domain::Cluster c = cluster();
  EXPECT_EQ(quantity(fixed_items(c, {}, false, prices()), "NAT gateway"), 1);
  c.switches["single_nat_gateway"] = false;
  const auto items = fixed_items(c, {}, false, prices());
  EXPECT_EQ(quantity(items, "NAT gateway"), 4);
  EXPECT_EQ(quantity(items, "public address"), 4);
}

TEST(FixedBill, AddOnsBringVolumesBalancersAndANodeThatHoldsThem) {
  domain::Addon search{.name = "opensearch", .runs_on = "general-purpose"};
  search.needs = {.cpu_m = 3'000, .memory_mib = 12'288, .volumes_gib = 90, .load_balancers = 1};
  const auto items = fixed_items(cluster(), std::span(&search, 1), false, prices());
  EXPECT_EQ(quantity(items, "add-on volumes"), 90);
  EXPECT_EQ(quantity(items, "network load balancer"), 1);
  const auto node = std::ranges::find(items, "Karpenter node for add-ons", &BillItem::what);
  ASSERT_NE(node, items.end());
  EXPECT_EQ(node->unit, "ec2:m6i.xlarge");
}

TEST(FixedBill, AutoModeHasNoCoreNodesAndExtendedSupportCosts) {
  domain::Cluster c = cluster();
  c.switches["enable_eks_auto_mode"] = true;
  const auto items = fixed_items(c, {}, true, prices());
  EXPECT_EQ(quantity(items, "core node"), 0);
  EXPECT_EQ(quantity(items, "extended support"), 1);
}

}  // namespace
}  // namespace slipway::policy
