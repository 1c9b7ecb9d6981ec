#include "policy/quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace slipway::policy {
namespace {

domain::InstanceType type(std::string name, std::string category, int vcpu) {
  domain::InstanceType t{
      .name = std::move(name), .family = "", .category = std::move(category), .size = "", .arch = "amd64"};
  t.vcpu = vcpu;
  return t;
}

TEST(Quota, ProcessorsAreAddedUpByTheFamiliesThatShareAQuota) {
  const auto core = type("m6i.xlarge", "m", 4);
  const auto gpu = type("g6e.2xlarge", "g", 8);
  const auto neuron = type("inf2.xlarge", "inf", 4);
  const std::vector<PlannedInstances> planned = {
      {&core, 2, "core nodes"}, {&gpu, 1, "a"}, {&gpu, 2, "b"}, {&neuron, 1, "c"}};
  domain::Cluster cluster;
  cluster.zones = 3;
  const auto needs = quota_needs(cluster, planned, 0);
  const auto of = [&](const std::string& code) { return *std::ranges::find(needs, code, &QuotaNeed::code); };
  EXPECT_EQ(of("L-1216C47A").need, 8);
  EXPECT_EQ(of("L-DB2E81BA").need, 24);
  EXPECT_EQ(of("L-DB2E81BA").formula, "1 x g6e.2xlarge (a) + 2 x g6e.2xlarge (b)");
  EXPECT_EQ(of("L-1945791B").need, 4);
  EXPECT_EQ(of("L-0263D0A3").need, 3);  // a gateway a zone
}

TEST(Quota, ItIsShortWhenWhatIsLeftIsLessThanTheNeed) {
  QuotaNeed q{.service = "ec2", .code = "L-DB2E81BA", .name = "", .need = 8};
  EXPECT_TRUE(q.short_of());  // a new account has none
  q.limit = 16;
  EXPECT_FALSE(q.short_of());
  q.used = 12;
  EXPECT_TRUE(q.short_of());
  EXPECT_THAT(
      request_command(q, "us-west-2"),
      testing::EndsWith("--region us-west-2 --service-code ec2 --quota-code L-DB2E81BA --desired-value 20"));
}

}  // namespace
}  // namespace slipway::policy
