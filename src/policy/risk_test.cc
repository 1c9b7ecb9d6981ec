#include "policy/risk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace slipway::policy {
namespace {

using base::ErrorCode;
using testing::ElementsAre, testing::HasSubstr;

domain::Blueprint blueprint() {
  domain::Blueprint b;
  b.name = "dev";
  b.target = domain::Target::eks;
  b.cluster.region = "us-west-2";
  b.cluster.zones = 4;
  b.cluster.vpc_cidr = "10.0.0.0/16";
  b.cluster.secondary_cidrs = {"100.64.0.0/16"};
  b.cluster.private_prefix = b.cluster.public_prefix = 24;
  b.cluster.control_plane_prefix = 26;
  b.cluster.switches["single_nat_gateway"] = true;
  b.origins["availability_zones_count"] = "env.tfvars:7";
  return b;
}
domain::EksFacts facts() {
  return {.as_of = "2026-11-24", .versions = {}, .zones = {{"us-west-2", 4}, {"eu-west-1", 3}}};
}

std::vector<ErrorCode> codes(const domain::Blueprint& b) {
  std::vector<ErrorCode> out;
  for (const base::Error& e : blockers(b, facts())) out.push_back(e.code());
  return out;
}

TEST(Blockers, ASoundBlueprintHasNone) {
  EXPECT_THAT(codes(blueprint()), ElementsAre());
}

TEST(Blockers, ARegionWithFewerZonesSaysHowManyItHas) {
  domain::Blueprint b = blueprint();
  b.cluster.region = "eu-west-1";
  const auto errors = blockers(b, facts());
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].code(), ErrorCode::too_few_zones);
  EXPECT_EQ(errors[0].message(),
            "eu-west-1 has 3 availability zones, and availability_zones_count is 4 (env.tfvars:7)");
}

TEST(Blockers, RangesThatOverlapOrAreNoneAreNamed) {
  domain::Blueprint b = blueprint();
  b.cluster.secondary_cidrs = {"10.0.128.0/17", "100.64.0.0/16", "100.64.0.0/17", "x"};
  EXPECT_THAT(codes(b), ElementsAre(ErrorCode::bad_value, ErrorCode::cidr_overlap, ErrorCode::cidr_overlap));
}

TEST(Blockers, SubnetsThatDoNotFitTheirVpcAreRefused) {
  domain::Blueprint b = blueprint();
  b.cluster.vpc_cidr = "10.0.0.0/21";
  b.cluster.public_prefix = 22;
  const auto errors = blockers(b, facts());
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_THAT(errors[0].message(), HasSubstr("take 5376 addresses, and 10.0.0.0/21 has 2048"));
}

TEST(Blockers, AnOpenEndpointNeedsItsAcceptance) {
  domain::Blueprint b = blueprint();
  b.cluster.allowed_inbound_cidrs = {"203.0.113.0/24", "0.0.0.0/0"};
  EXPECT_THAT(codes(b), ElementsAre(ErrorCode::open_endpoint));
  b.cluster.switches["accept_open_endpoint"] = true;
  EXPECT_THAT(codes(b), ElementsAre());
}

TEST(Blockers, ANameThatAwsCannotHaveIsRefused) {
  domain::Blueprint b = blueprint();
  b.name = "a-name-that-is-longer-than-buckets-allow";
  EXPECT_THAT(codes(b), ElementsAre(ErrorCode::bad_value));
}

std::vector<std::string> risk_ids(const domain::Blueprint& b, const VersionChoice& version, double usd) {
  domain::PriceList prices;
  prices.units = {{"nat-gateway", {0.045, "hour", ""}},
                  {"public-ipv4", {0.005, "hour", ""}},
                  {"eks-extended-support", {0.5, "hour", ""}}};
  Bill bill;
  bill.usd_month = usd;
  std::vector<std::string> out;
  for (const Risk& r : risks({b, version, bill, prices, {}})) out.push_back(r.id);
  return out;
}

TEST(Risks, EachFindingHasAnIdThatStays) {
  domain::Blueprint b = blueprint();
  VersionChoice v{.version = {"1.35", "2026-01-27", "2027-03-27", "2028-03-27"}, .days_left = 123};
  EXPECT_THAT(risk_ids(b, v, 500),
              ElementsAre("private-endpoint", "single-nat", "no-budget", "not-protected", "local-state"));
  b.cluster.monthly_budget_usd = 400;
  b.cluster.switches["protected"] = true;
  b.cluster.state = domain::StateStore::s3;
  b.cluster.switches["single_nat_gateway"] = false;
  v.days_left = 8;
  EXPECT_THAT(risk_ids(b, v, 500),
              ElementsAre("support-ends", "private-endpoint", "over-budget", "budget-tags"));
}

}  // namespace
}  // namespace slipway::policy
