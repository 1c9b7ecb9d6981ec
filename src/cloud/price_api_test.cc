#include "cloud/price_api.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace slipway::cloud {
namespace {

using ::testing::ElementsAre;

const PriceQuestion& question(std::string_view service, std::string_view value = "") {
  for (const PriceQuestion& q : price_questions())
    if (q.service == service &&
        (value.empty() || std::ranges::any_of(q.filters, [&](const auto& f) { return f.second == value; })))
      return q;
  throw std::logic_error("no such question");
}

Json tier(const std::string& begin, const std::string& usd) {
  return {{"beginRange", begin}, {"unit", "Hrs"}, {"pricePerUnit", {{"USD", usd}}}};
}
// In the shape of the API: a text that holds a product and its terms.
std::string product(const Json& attributes, const std::vector<Json>& tiers) {
  Json dimensions = Json::object();
  for (std::size_t i = 0; i < tiers.size(); ++i) dimensions["SKU.TERM." + std::to_string(i)] = tiers[i];
  return Json{{"product", {{"attributes", attributes}, {"sku", "SKU"}}},
              {"terms", {{"OnDemand", {{"SKU.TERM", {{"priceDimensions", dimensions}}}}}}}}
      .dump();
}
Json usage(const std::string& type, const std::string& operation = "") {
  return {{"usagetype", type}, {"operation", operation}};
}

domain::PriceList list() {
  domain::PriceList out;
  for (const char* name : {"nat-gateway", "kms-10k-requests", "nlb", "s3-standard", "log-storage"})
    out.units[name] = {.usd = 1, .per = "hour", .source = "built in"};
  out.instance_types = {{.name = "g6e.xlarge"}, {.name = "m6i.xlarge"}};
  return out;
}

TEST(PriceApi, InstanceTypesAreTakenByName) {
  domain::PriceList prices = list();
  const Json answer = {{"PriceList",
                        {product({{"instanceType", "m6i.xlarge"}, {"usagetype", "EUC1-BoxUsage:m6i.xlarge"}},
                                 {tier("0", "0.2300000000")}),
                         product({{"instanceType", "z9.unknown"}}, {tier("0", "9")})}}};
  EXPECT_EQ(take_prices(question("AmazonEC2", "Linux"), answer, prices).instance_types, 1);
  EXPECT_EQ(prices.instance("m6i.xlarge")->usd_per_hour, 0.23);
  EXPECT_FALSE(prices.instance("g6e.xlarge")->usd_per_hour);
}

TEST(PriceApi, AUsageTypeIsTheNameWithOrWithoutItsRegionAndNothingElse) {
  for (const std::string& type : {"NatGateway-Hours", "USW2-NatGateway-Hours"}) {
    domain::PriceList prices = list();
    const Json answer = {{"PriceList", {product(usage(type), {tier("0", "0.052")})}}};
    EXPECT_THAT(take_prices(question("AmazonEC2", "NAT Gateway"), answer, prices).units,
                ElementsAre("nat-gateway"));
    EXPECT_EQ(prices.units.at("nat-gateway").usd, 0.052);
    EXPECT_EQ(prices.units.at("nat-gateway").source, "aws pricing get-products " + type);
  }
  domain::PriceList prices = list();
  const Json other = {{"PriceList",
                       {product(usage("USW2-Prvd-NatGateway-Hours-X"), {tier("0", "1.5")}),
                        product(usage("USW2SecondNatGateway-Hours"), {tier("0", "1.5")})}}};
  EXPECT_TRUE(take_prices(question("AmazonEC2", "NAT Gateway"), other, prices).units.empty());
  EXPECT_EQ(prices.units.at("nat-gateway").usd, 1);
}

TEST(PriceApi, TheFirstTierThatCostsSomethingCounts) {
  domain::PriceList prices = list();
  const Json answer = {{"PriceList",
                        {product(usage("USW2-TimedStorage-ByteHrs"),
                                 {tier("512000", "0.021"), tier("0", "0.023"), tier("51200", "0.022")})}}};
  take_prices(question("AmazonS3"), answer, prices);
  EXPECT_EQ(prices.units.at("s3-standard").usd, 0.023);
  EXPECT_EQ(prices.units.at("log-storage").usd, 1) << "the same usage type of another service";
  const Json free_first = {
      {"PriceList",
       {product(usage("us-west-2-KMS-Requests"), {tier("0", "0.0"), tier("20000", "0.000003")})}}};
  take_prices(question("awskms"), free_first, prices);
  EXPECT_DOUBLE_EQ(prices.units.at("kms-10k-requests").usd, 0.03);
}

TEST(PriceApi, ABalancerOfAnotherKindIsNotOurs) {
  domain::PriceList prices = list();
  const Json answer = {
      {"PriceList",
       {product(usage("USW2-LoadBalancerUsage", "LoadBalancing:Application"), {tier("0", "7")}),
        product(usage("USW2-LoadBalancerUsage", "LoadBalancing:Network"), {tier("0", "0.0225")})}}};
  take_prices(question("AWSELB"), answer, prices);
  EXPECT_EQ(prices.units.at("nlb").usd, 0.0225);
}

TEST(PriceApi, WhatIsNoProductIsPassedOver) {
  domain::PriceList prices = list();
  const Json answer = {
      {"PriceList", {"{", "[]", 3, product(usage("NatGateway-Hours"), {tier("0", "many")})}}};
  const PricesFound found = take_prices(question("AmazonEC2", "NAT Gateway"), answer, prices);
  EXPECT_TRUE(found.units.empty());
  EXPECT_EQ(found.instance_types, 0);
}

}  // namespace
}  // namespace slipway::cloud
