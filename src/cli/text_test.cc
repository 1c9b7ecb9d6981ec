#include "cli/text.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

TEST(Text, WidthCountsColumnsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("naïve"), 5u);
  EXPECT_EQ(display_width("模型"), 4u);
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("\x1b[1;31mred\x1b[0m"), 3u);
}

TEST(Text, InvalidUtf8TakesOneColumnAByte) {
  EXPECT_EQ(display_width("a\xff\xc3"), 3u);
}

TEST(Text, TruncateKeepsWholeCharacters) {
  EXPECT_EQ(truncate("replica", 7, false), "replica");
  EXPECT_EQ(truncate("replica", 6, false), "rep...");
  EXPECT_EQ(truncate("模型模型", 5, true), "模型…");
  EXPECT_EQ(truncate("模型模型", 4, true), "模…");
  EXPECT_EQ(truncate("abcdef", 2, false), "..");
}

TEST(Text, WrapIndentsFollowingLines) {
  EXPECT_EQ(wrap("one two three", 7, 2), "one two\n  three");
}

TEST(Text, ControlBytesCannotReachTheTerminal) {
  EXPECT_EQ(without_controls("a\x1b[2Jb\tc\n"), "a?[2Jb\tc\n");
  EXPECT_EQ(without_controls("a\xc2\x9b"
                             "2Jb"),
            "a??2Jb");
  EXPECT_EQ(without_controls("naïve 模型"), "naïve 模型");
}

TEST(Text, NearestFindsSlipsOnly) {
  const std::vector<std::string> verbs{"status", "undeploy", "deploy", "up"};
  EXPECT_EQ(nearest("stauts", verbs), "status");
  EXPECT_EQ(nearest("deplyo", verbs), "deploy");
  EXPECT_EQ(nearest("provision", verbs), std::nullopt);
  EXPECT_EQ(nearest("", verbs), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'x'), verbs), std::nullopt);
}

}  // namespace
}  // namespace slipway::cli
