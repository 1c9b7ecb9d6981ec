#include "codec/sse.h"

#include <gtest/gtest.h>

#include <vector>

namespace slipway::codec {
namespace {

const std::string kRole = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const std::string kHello = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
const std::string kTricky =
    "data: "
    "{\"choices\":[{\"delta\":{\"content\":\"{\\\"usage\\\":{\\\"prompt_tokens\\\":9},\\\"choices\\\":[]}\"}}"
    "]}\n\n";
const std::string kUsage =
    "data: "
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":2,\"prompt_tokens_details\":{"
    "\"cached_tokens\":8}}}\n\n";
const std::string kDone = "data: [DONE]\n\n";

struct Relayed {
  std::string out;
  std::optional<Usage> usage;
  std::uint64_t events = 0;
  bool done = false, first = false, error = false, cut = false, failed = false;
};

Relayed relay(const std::vector<std::string>& pieces, bool keep_usage = false, std::size_t max_event = 4096) {
  SseRelay sse(keep_usage, max_event);
  Relayed r;
  for (const std::string& piece : pieces) {
    const auto out = sse.feed(piece);
    if (!out) {
      r.failed = true;
      break;
    }
    r.out += *out;
  }
  r.usage = sse.usage();
  r.events = sse.data_events();
  r.done = sse.done(), r.first = sse.first_token(), r.error = sse.error(), r.cut = sse.cut();
  return r;
}

TEST(SseRelayTest, WholePiecesPassWithoutACopy) {
  SseRelay sse(true, 4096);
  const std::string piece = kRole + kHello;
  const auto out = sse.feed(piece);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->data(), piece.data());
  EXPECT_EQ(out->size(), piece.size());
}

TEST(SseRelayTest, TheForcedUsageEventIsCountedAndDropped) {
  const Relayed r = relay({kRole + kHello, kUsage + kDone});
  EXPECT_EQ(r.out, kRole + kHello + kDone);
  ASSERT_TRUE(r.usage);
  EXPECT_EQ(r.usage->prompt_tokens, 12u);
  EXPECT_EQ(r.usage->completion_tokens, 2u);
  EXPECT_EQ(r.usage->cached_tokens, 8u);
  EXPECT_TRUE(r.done);
}

TEST(SseRelayTest, TheUsageEventPassesWhenTheClientAskedForIt) {
  EXPECT_EQ(relay({kHello + kUsage + kDone}, true).out, kHello + kUsage + kDone);
}

TEST(SseRelayTest, TheWordUsageInsideTextIsText) {
  const Relayed r = relay({kTricky + kDone});
  EXPECT_EQ(r.out, kTricky + kDone);
  EXPECT_FALSE(r.usage);
}

TEST(SseRelayTest, UsageBesideChoicesIsReadAndKept) {
  const std::string last =
      "data: {\"choices\":[{\"delta\":{}}],\"usage\": {\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n";
  const Relayed r = relay({last + kDone});
  EXPECT_EQ(r.out, last + kDone);
  EXPECT_EQ(r.usage->prompt_tokens, 3u);
}

TEST(SseRelayTest, AnyCutOfTheBytesGivesTheSameEvents) {
  const std::string all =
      ": hello\n\n" + kRole + kTricky + kHello + kUsage + "data: {\"a\":\r\ndata: 1}\r\n\r\n" + kDone;
  for (const bool keep : {false, true}) {
    const Relayed whole = relay({all}, keep);
    for (std::size_t i = 0; i <= all.size(); ++i)
      for (std::size_t j = i; j <= all.size(); j += 7) {
        const Relayed cut = relay({all.substr(0, i), all.substr(i, j - i), all.substr(j)}, keep);
        ASSERT_EQ(cut.out, whole.out) << i << " " << j;
        ASSERT_EQ(cut.events, whole.events);
        ASSERT_EQ(cut.usage->prompt_tokens, 12u);
        ASSERT_TRUE(cut.done);
      }
    std::vector<std::string> bytes;
    for (const char c : all) bytes.emplace_back(1, c);
    EXPECT_EQ(relay(bytes, keep).out, whole.out);
  }
}

TEST(SseRelayTest, AnUnfinishedEventIsHeldBack) {
  const Relayed r = relay({kHello + "data: {\"cho"});
  EXPECT_EQ(r.out, kHello);
  EXPECT_TRUE(r.cut);
  EXPECT_FALSE(r.done);
}

TEST(SseRelayTest, TheFirstTokenIsTheFirstText) {
  EXPECT_FALSE(relay({kRole}).first);
  EXPECT_TRUE(relay({kRole, kHello}).first);
  EXPECT_FALSE(relay({": still here\n\n"}).first);
}

TEST(SseRelayTest, ErrorEventsAreSeen) {
  EXPECT_TRUE(relay({"data: {\"error\":{\"message\":\"x\"}}\n\n"}).error);
  EXPECT_TRUE(relay({"event: error\ndata: {\"message\":\"x\"}\n\n"}).error);
  EXPECT_FALSE(relay({kHello}).error);
}

TEST(SseRelayTest, GarbageAndEndlessEventsAreRefused) {
  EXPECT_TRUE(relay({"data: <html>\n\n"}).failed);
  EXPECT_TRUE(relay({std::string(5000, 'x')}).failed);
  EXPECT_TRUE(relay({"data: {", std::string(5000, 'x')}).failed);
}

}  // namespace
}  // namespace slipway::codec
