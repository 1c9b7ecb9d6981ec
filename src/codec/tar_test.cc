#include "codec/tar.h"

#include <gtest/gtest.h>

#include <numeric>

namespace slipway::codec {
namespace {

std::string text_at(const std::string& head, std::size_t at, std::size_t length) {
  const std::string part = head.substr(at, length);
  return part.substr(0, part.find('\0'));
}

TEST(Tar, AHeadSaysWhatAnEntryIs) {
  const auto head = tar_head({.path = "usr/bin/slipway", .mode = 0755, .owner = 65532, .size = 1'000});
  ASSERT_TRUE(head);
  ASSERT_EQ(head->size(), kTarBlock);
  EXPECT_EQ(text_at(*head, 0, 100), "usr/bin/slipway");
  EXPECT_EQ(text_at(*head, 100, 8), "0000755");
  EXPECT_EQ(text_at(*head, 108, 8), "0177774");
  EXPECT_EQ(text_at(*head, 116, 8), "0177774");
  EXPECT_EQ(text_at(*head, 124, 12), "00000001750");
  EXPECT_EQ(text_at(*head, 136, 12), "00000000000") << "no time";
  EXPECT_EQ((*head)[156], '0');
  EXPECT_EQ(head->substr(257, 8), std::string_view("ustar\00000", 8));
}

TEST(Tar, TheSumIsThatOfTheHeadWithSpacesInItsPlace) {
  auto head = tar_head({.path = "tmp", .folder = true, .mode = 01777});
  ASSERT_TRUE(head);
  EXPECT_EQ(text_at(*head, 0, 100), "tmp/");
  EXPECT_EQ((*head)[156], '5');
  const auto written = std::stoul(text_at(*head, 148, 8), nullptr, 8);
  head->replace(148, 8, "        ");
  EXPECT_EQ(written, std::accumulate(head->begin(), head->end(), 0ul,
                                     [](auto sum, char c) { return sum + static_cast<unsigned char>(c); }));
}

TEST(Tar, ALongPathIsSplitAtASlash) {
  const std::string folder(120, 'f'), name(80, 'n');
  const auto head = tar_head({.path = folder + "/" + name});
  ASSERT_TRUE(head);
  EXPECT_EQ(text_at(*head, 0, 100), name);
  EXPECT_EQ(text_at(*head, 345, 155), folder);
  EXPECT_TRUE(tar_head({.path = std::string(155, 'f') + "/" + std::string(100, 'n')}));
}

TEST(Tar, WhatAHeadCannotHoldIsRefused) {
  EXPECT_FALSE(tar_head({.path = std::string(101, 'n')}));
  EXPECT_FALSE(tar_head({.path = std::string(156, 'f') + "/" + std::string(100, 'n')}));
}

TEST(Tar, ASizeBeyondEightGibibytesIsWrittenInBytes) {
  const auto last = tar_head({.path = "f", .size = (std::uint64_t{1} << 33) - 1});
  ASSERT_TRUE(last);
  EXPECT_EQ(text_at(*last, 124, 12), "77777777777");
  const auto large = tar_head({.path = "f", .size = (std::uint64_t{1} << 33) + 0x1234});
  ASSERT_TRUE(large);
  EXPECT_EQ(large->substr(124, 12), std::string("\x80\0\0\0\0\0\0\x02\0\0\x12\x34", 12));
}

TEST(Tar, ContentIsFilledUpToABlock) {
  EXPECT_EQ(tar_padding(0).size(), 0u);
  EXPECT_EQ(tar_padding(1).size(), 511u);
  EXPECT_EQ(tar_padding(512).size(), 0u);
  EXPECT_EQ(tar_padding(513).size(), 511u);
  EXPECT_EQ(tar_end().size(), 1024u);
  EXPECT_EQ(tar_end().find_first_not_of('\0'), std::string_view::npos);
}

}  // namespace
}  // namespace slipway::codec
