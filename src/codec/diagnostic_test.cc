#include "codec/diagnostic.h"

#include <gtest/gtest.h>

#include "codec/suggest.h"

namespace slipway::codec {
namespace {

TEST(Diagnostic, ShowsTheLineWithACaretUnderTheMistake) {
  const Source s{"env.tfvars", "a = 1\ngatway = 2\n"};
  EXPECT_EQ(point(s, {2, 1}, 6), "  2 | gatway = 2\n    | ^~~~~~");
  EXPECT_EQ(at(s.name, {2, 1}), "env.tfvars:2:1");
  EXPECT_EQ(at(s.name, {}), "env.tfvars");
}

TEST(Diagnostic, CountsCharactersNotBytesBeforeTheCaret) {
  EXPECT_EQ(point({"f", "é = x"}, {1, 6}), "  1 | é = x\n    |     ^");
}

TEST(Diagnostic, CutsALongLineAroundTheCaret) {
  const std::string text = std::string(5'000, 'a') + "X" + std::string(5'000, 'b');
  const std::string shown = point({"f", text}, {1, 5'001});
  EXPECT_LT(shown.size(), 3 * kMaxShownLine);
  const std::size_t x = shown.find('X'), caret = shown.find('^'), second = shown.find('\n') + 1;
  EXPECT_EQ(x, caret - second);
}

TEST(Diagnostic, PlacesOutsideTheTextAreHarmless) {
  EXPECT_EQ(point({"f", "a"}, {99, 7}), "  99 | \n     | ^");
  EXPECT_EQ(point({"f", ""}, {1, 1}), "");
  EXPECT_EQ(point({"f", "a"}, {0, 0}), "");
  EXPECT_EQ(place_of("ab\nc", 3), (Place{2, 1}));
  EXPECT_EQ(place_of("ab", 99), (Place{1, 3}));
}

TEST(Diagnostic, AnErrorCarriesPlaceAndLine) {
  const base::Error e =
      error_at(base::ErrorCode::unknown_key, {"f", "x: 1"}, {1, 1}, "the key 'x' is unknown");
  EXPECT_EQ(e.message(), "the key 'x' is unknown (f:1:1)");
  EXPECT_EQ(e.detail(), "  1 | x: 1\n    | ^");
}

TEST(Suggest, DistanceCountsASwapAsOneEdit) {
  EXPECT_EQ(edit_distance("abcd", "acbd", 4), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting", 4), 3u);
  EXPECT_EQ(edit_distance("", "abc", 4), 3u);
  EXPECT_EQ(edit_distance("same", "same", 0), 0u);
  EXPECT_EQ(edit_distance("abcdefgh", "zzzzzzzz", 2), 3u);
}

TEST(Suggest, FindsTheNearestWordAndNothingFarAway) {
  const std::string_view words[] = {"gateway_port", "gateway_host", "maxModelLen", "name"};
  EXPECT_EQ(suggest("gatway_prot", words), "gateway_port");
  EXPECT_EQ(suggest("max-model-len", words), "maxModelLen");
  EXPECT_EQ(suggest("nmae", words), "name");
  EXPECT_EQ(suggest("kubernetes", words), "");
  EXPECT_EQ(suggest("", words), "");
  EXPECT_EQ(suggest(std::string(1'000'000, 'x'), words), "");
  EXPECT_EQ(did_you_mean("nam", words), "; did you mean 'name'?");
  EXPECT_EQ(did_you_mean("kubernetes", words), "");
}

}  // namespace
}  // namespace slipway::codec
