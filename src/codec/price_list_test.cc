#include "codec/price_list.h"

#include <gtest/gtest.h>

#include "codec/addon.h"

namespace slipway::codec {
namespace {

TEST(PriceList, TheBuiltInOneHasEveryUnitAndType) {
  const domain::PriceList& list = built_in_prices();
  EXPECT_EQ(list.instance_types.size(), 1'363u);
  EXPECT_DOUBLE_EQ(*list.instance("m6i.xlarge")->usd_per_hour, 0.192);
  EXPECT_EQ(list.instance("p5.48xlarge")->gpus, 8);
  EXPECT_EQ(list.instance("inf2.48xlarge")->neuron_devices, 12);
  EXPECT_EQ(list.instance("g5.2xlarge")->allocatable_cpu_m, 7'910);
  EXPECT_DOUBLE_EQ(list.units.at("eks-control-plane").usd, 0.10);
}

TEST(PriceList, MistakesHaveAPlace) {
  const auto twice = parse_prices({"prices.yaml",
                                   "region: x\ndate: d\nhours_per_month: 730\nauto_mode_share: 0\nunits:\n"
                                   "  - {name: a, usd: 1, per: hour, source: s}\n"
                                   "  - {name: a, usd: 2, per: hour, source: s}\n"});
  ASSERT_FALSE(twice.has_value());
  EXPECT_EQ(twice.error().message(), "the unit 'a' has two prices (prices.yaml:7:5)");
  EXPECT_FALSE(parse_prices({"prices.yaml", "region: x\nprice: 3\n"}).has_value());
  domain::PriceList list;
  EXPECT_FALSE(parse_instance_types({"types.json", "{\"instance_types\": [{}]}"}, list).has_value());
}

TEST(EksFacts, TheBuiltInOnesAreNewestFirst) {
  const domain::EksFacts& facts = built_in_eks_facts();
  for (std::size_t i = 1; i < facts.versions.size(); ++i)
    EXPECT_GT(facts.versions[i - 1].released, facts.versions[i].released);
  EXPECT_EQ(facts.zones.at("us-west-2"), 4);
}

TEST(Addons, EveryBuiltInOneIsReadAndNamedLikeItsFolder) {
  const auto& addons = built_in_addons();
  EXPECT_GE(addons.size(), 20u);
  for (std::size_t i = 1; i < addons.size(); ++i) EXPECT_LE(addons[i - 1].wave, addons[i].wave);
}

TEST(Addons, ASourceIsExactlyOneOfThree) {
  const std::string head =
      "name: a\ntitle: A\nmeaning: m\nversion: \"1\"\nlicence: MIT\nenabled_by: {always: true}\n";
  EXPECT_TRUE(parse_addon({"addon.yaml", head + "source: {manifests: [x.yaml]}\n"}).has_value());
  EXPECT_FALSE(parse_addon({"addon.yaml", head + "source: {}\n"}).has_value());
  EXPECT_FALSE(parse_addon({"addon.yaml", head + "source: {chart_path: charts/x}\n"}).has_value());
  EXPECT_FALSE(parse_addon({"addon.yaml", head + "source: {manifests: [x.yaml]}\nhelth: []\n"}).has_value());
}

}  // namespace
}  // namespace slipway::codec
