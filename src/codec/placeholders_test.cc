#include "codec/placeholders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::codec {
namespace {

const Facts kFacts = {{"cluster_name", "dev"}, {"region", "eu-west-1"}};

std::string filled(std::string_view text, bool keep = false) {
  const auto out = fill_placeholders({"values.yaml", text}, kFacts, keep);
  return out ? *out : out.error().message();
}

TEST(Placeholders, KnownNamesAreReplacedWhereverTheyStand) {
  EXPECT_EQ(filled("a: ${cluster_name}-x\nb: \"${region}${region}\"\n"),
            "a: dev-x\nb: \"eu-west-1eu-west-1\"\n");
  EXPECT_EQ(filled("nothing here $ { } $"), "nothing here $ { } $");
}

TEST(Placeholders, AnUnknownNameIsAnErrorWithItsPlace) {
  EXPECT_EQ(filled("x: 1\ny: ${clutser}\n"),
            "nothing is known of the placeholder 'clutser' (values.yaml:2:4)");
  EXPECT_EQ(filled("y: ${clutser}\n", true), "y: ${clutser}\n");
}

TEST(Placeholders, OtherLanguagesKeepTheirOwn) {
  EXPECT_EQ(filled("run: $${region} ${HOME} ${a.b} ${unclosed"), "run: ${region} ${HOME} ${a.b} ${unclosed");
}

}  // namespace
}  // namespace slipway::codec
