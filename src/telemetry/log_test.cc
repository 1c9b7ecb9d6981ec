#include "telemetry/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace slipway::telemetry {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr base::WallTime kThen{std::chrono::milliseconds(1795503301123)};

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(Log, ARecordIsOneJsonLine) {
  std::string out;
  append_record(out, kThen, Level::info, "request", "answered",
                {{"request_id", "req_1"}, {"tokens", std::int64_t{48}}, {"seconds", 0.25}, {"stream", true}});
  EXPECT_EQ(out, R"({"ts":"2026-11-24T06:55:01.123Z","level":"info","event":"request","msg":"answered",)"
                 R"("request_id":"req_1","tokens":48,"seconds":0.25,"stream":true})"
                 "\n");
}

TEST(Log, MillisecondsKeepTheirZeros) {
  std::string out;
  append_record(out, kThen - std::chrono::milliseconds(118), Level::warn, "e", "m", {});
  EXPECT_THAT(out, HasSubstr("06:55:01.005Z"));
}

TEST(Log, ControlCharactersAreEscaped) {
  EXPECT_EQ(json("a\"b\\c\n\r\t\x01\x7f"), R"("a\"b\\c\n\r\t\u0001\u007f")");
}

TEST(Log, ValidUtf8StaysAndInvalidBytesBecomeTheReplacementCharacter) {
  EXPECT_EQ(json("grün 漢字 😀"), "\"grün 漢字 😀\"");
  const std::vector<std::string> invalid = {"\xff", "\xc0", "\x80", "\xe2\x82", "\xf0\x9f\x98"};
  for (const std::string& bytes : invalid) {
    std::string expected = "\"";
    for (std::size_t i = 0; i < bytes.size(); ++i) expected += "\xEF\xBF\xBD";
    EXPECT_EQ(json(bytes), expected + "\"");
  }
  EXPECT_EQ(json("\xed\xa0\x80"), json("\xff\xff\xff"));          // a surrogate
  EXPECT_EQ(json("\xf4\x90\x80\x80"), json("\xff\xff\xff\xff"));  // beyond U+10FFFF
}

TEST(Log, ALongFieldIsCutAtACharacterWithAMark) {
  const std::string text = std::string(kMaxFieldBytes - 1, 'a') + "ü" + std::string(100, 'b');
  const std::string out = json(text);
  EXPECT_THAT(out, EndsWith("aü[cut 100 bytes]\""));
  EXPECT_EQ(json(std::string(kMaxFieldBytes, 'a')).size(), kMaxFieldBytes + 2);
}

TEST(Log, NumbersThatJsonLacksAreNull) {
  std::string out;
  append_record(
      out, kThen, Level::error, "e", "m",
      {{"a", std::numeric_limits<double>::infinity()}, {"b", std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_THAT(out, HasSubstr(R"("a":null,"b":null})"));
}

class Sink : public ::testing::Test {
 protected:
  Sink() {
    set_log_sink([this](std::string_view lines) { calls_.emplace_back(lines); });
  }
  ~Sink() override {
    set_log_sink([](std::string_view) {});
    set_log_level(Level::info);
  }
  std::vector<std::string> calls_;
};

TEST_F(Sink, LogDropsWhatIsBelowTheLevel) {
  log(Level::debug, "e", "hidden");
  EXPECT_TRUE(calls_.empty());
  set_log_level(Level::debug);
  log(Level::debug, "e", "shown");
  ASSERT_EQ(calls_.size(), 1u);
  EXPECT_THAT(calls_[0], HasSubstr("shown"));
}

TEST_F(Sink, ABufferCallsTheSinkOnceForManyRecords) {
  {
    LogBuffer buffer;
    for (int i = 0; i < 10; ++i) buffer.write(kThen, Level::info, "e", "m");
    EXPECT_TRUE(calls_.empty());
    buffer.flush();
    ASSERT_EQ(calls_.size(), 1u);
    EXPECT_EQ(std::ranges::count(calls_[0], '\n'), 10);
    buffer.write(kThen, Level::info, "e", "last");
  }
  ASSERT_EQ(calls_.size(), 2u);
  EXPECT_THAT(calls_[1], HasSubstr("last"));
}

TEST_F(Sink, ABufferFlushesItselfWhenFull) {
  LogBuffer buffer;
  const std::string text(LogBuffer::kFlushBytes / 4, 'x');
  for (int i = 0; i < 4; ++i) buffer.write(kThen, Level::info, "e", text);
  EXPECT_EQ(calls_.size(), 1u);
}

}  // namespace
}  // namespace slipway::telemetry
