#include "codec/quantity.h"

#include <gtest/gtest.h>

namespace slipway::codec {
namespace {

TEST(Quantity, SuffixesAreThoseOfKubernetes) {
  EXPECT_EQ(quantity_milli("500m"), 500);
  EXPECT_EQ(quantity_milli("1.5"), 1'500);
  EXPECT_EQ(quantity_milli("12"), 12'000);
  EXPECT_EQ(quantity_milli("250000000n"), 250);
  EXPECT_EQ(quantity_milli("1500u"), 1);
  EXPECT_EQ(quantity("2Gi"), 2'147'483'648);
  EXPECT_EQ(quantity("60G"), 60'000'000'000);
  EXPECT_EQ(quantity("128Mi"), 134'217'728);
}

TEST(Quantity, WhatIsNoQuantityIsNothing) {
  for (const char* text : {"", "Gi", "-1", "1x", "1GiB", "0x10", "1 Gi", "1e400", "99999999999999999999T"})
    EXPECT_FALSE(quantity(text)) << text;
}

}  // namespace
}  // namespace slipway::codec
