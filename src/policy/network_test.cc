#include "policy/network.h"

#include <gtest/gtest.h>

namespace slipway::policy {
namespace {

TEST(Network, ARangeIsFourBytesAndAPrefixWithoutBitsBeyondIt) {
  const auto c = parse_cidr("10.0.0.0/16");
  ASSERT_TRUE(c);
  EXPECT_EQ(to_string(*c), "10.0.0.0/16");
  EXPECT_EQ(c->size(), 65'536u);
  EXPECT_TRUE(parse_cidr("0.0.0.0/0"));
  for (const char* bad : {"", "10.0.0.0", "10.0.0.0/33", "10.0.0/16", "10.0.0.1/16", "10.0.0.256/32",
                          "010.0.0.0/8", "10.0.0.0.0/8", "a.b.c.d/8", "10.0.0.0/-1", "::/0"})
    EXPECT_FALSE(parse_cidr(bad)) << bad;
}

TEST(Network, RangesOverlapWhenTheWiderOneHoldsTheOther) {
  const auto r = [](const char* text) { return *parse_cidr(text); };
  EXPECT_TRUE(overlap(r("10.0.0.0/16"), r("10.0.3.0/24")));
  EXPECT_TRUE(overlap(r("10.0.3.0/24"), r("10.0.0.0/16")));
  EXPECT_FALSE(overlap(r("10.0.0.0/16"), r("10.1.0.0/16")));
  EXPECT_TRUE(overlap(r("0.0.0.0/0"), r("100.64.0.0/16")));
}

}  // namespace
}  // namespace slipway::policy
