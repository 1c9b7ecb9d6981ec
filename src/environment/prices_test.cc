#include "environment/prices.h"

#include <gmock/gmock.h>

#include "codec/price_list.h"
#include "store/test_folder.h"

namespace slipway::environment {
namespace {

using ::testing::HasSubstr;

class Prices : public ::testing::Test {
 protected:
  store::TestFolder folder_;
  io::Paths paths_{.config = {}, .data = folder_.path, .state = {}, .runtime = {}};
};

TEST_F(Prices, ARegionHasTheBuiltInOnesUntilItsOwnAreKept) {
  const auto before = prices_of(paths_, "eu-central-1");
  ASSERT_TRUE(before);
  EXPECT_EQ(before->region, codec::built_in_prices().region);

  domain::PriceList own = *before;
  own.region = "eu-central-1";
  own.date = "2026-11-24";
  own.units.at("nat-gateway").usd = 0.052;
  for (domain::InstanceType& type : own.instance_types)
    type.usd_per_hour = type.name == "m6i.xlarge" ? std::optional(0.23) : std::nullopt;
  ASSERT_TRUE(keep_prices(paths_, own));

  const auto after = prices_of(paths_, "eu-central-1");
  ASSERT_TRUE(after);
  EXPECT_EQ(after->region, "eu-central-1");
  EXPECT_EQ(after->instance_region, "eu-central-1");
  EXPECT_EQ(after->instance_date, "2026-11-24");
  EXPECT_EQ(after->units.at("nat-gateway").usd, 0.052);
  EXPECT_EQ(after->units.at("nat-gateway").per, "hour");
  EXPECT_EQ(after->instance("m6i.xlarge")->usd_per_hour, 0.23);
  EXPECT_FALSE(after->instance("g6e.xlarge")->usd_per_hour) << "the region does not have it";
  EXPECT_EQ(prices_of(paths_, "us-west-2")->region, "us-west-2");
}

TEST_F(Prices, ABrokenFileIsNamedWithTheWayOut) {
  for (const char* text :
       {"{", "{}", R"({"region":"r","date":"d","units":{"nlb":{"usd":"x"}},"instance_types":{}})"}) {
    ASSERT_TRUE(io::make_directories(prices_file(paths_, "eu-central-1").parent_path()));
    ASSERT_TRUE(io::write_file_atomic(prices_file(paths_, "eu-central-1"), text));
    const auto read = prices_of(paths_, "eu-central-1");
    ASSERT_FALSE(read) << text;
    EXPECT_THAT(read.error().to_string(), HasSubstr("eu-central-1.json is no price list"));
    EXPECT_THAT(read.error().to_string(), HasSubstr("slipway prices refresh --region eu-central-1"));
  }
}

}  // namespace
}  // namespace slipway::environment
