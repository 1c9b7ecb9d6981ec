#include "codec/error_body.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slipway::codec {
namespace {

using namespace std::chrono_literals;
using base::Error, base::ErrorCode;
using nlohmann::json;

TEST(ErrorBody, HasOpenAisShapeAndOurs) {
  const json j = json::parse(
      openai_error(Error(ErrorCode::rate_limited, "over").with_retry_after(1500ms).with_param("max_tokens"),
                   "req_1"))["error"];
  EXPECT_EQ(j["message"], "over");
  EXPECT_EQ(j["type"], "rate_limit_error");
  EXPECT_EQ(j["param"], "max_tokens");
  EXPECT_EQ(j["code"], "E2013");
  EXPECT_EQ(j["symbol"], "rate_limited");
  EXPECT_EQ(j["request_id"], "req_1");
  EXPECT_EQ(j["retry_after"], 1.5);
  EXPECT_EQ(j["retryable"], true);
  EXPECT_FALSE(j["next"].get<std::string>().empty());
}

TEST(ErrorBody, HasNoRetryAfterWhenWaitingDoesNotHelp) {
  const json j = json::parse(openai_error(Error(ErrorCode::bad_request, "no"), "req_1"))["error"];
  EXPECT_FALSE(j.contains("retry_after"));
  EXPECT_EQ(j["param"], nullptr);
  EXPECT_EQ(j["retryable"], false);
}

TEST(ErrorBody, EveryKindHasAType) {
  for (const base::ErrorInfo& row : base::all_errors())
    EXPECT_TRUE(openai_error_type(row.kind).ends_with("_error"));
}

TEST(ErrorBody, SurvivesBytesThatAreNotUtf8) {
  EXPECT_NO_THROW(
      static_cast<void>(json::parse(openai_error(Error(ErrorCode::bad_json, "\xff\xfe"), "\x80"))));
}

TEST(ErrorBody, AnEventIsOneDataLine) {
  const std::string event = openai_error_event(Error(ErrorCode::replica_lost, "two\nlines"), "req_1");
  EXPECT_TRUE(event.starts_with("event: error\ndata: {"));
  EXPECT_TRUE(event.ends_with("}\n\n"));
  EXPECT_EQ(std::ranges::count(event, '\n'), 3);
}

TEST(ErrorBody, RoundTripsForTheGateway) {
  const ReplicaError e = parse_openai_error(openai_error(Error(ErrorCode::queue_full, "full"), "req_1"));
  EXPECT_EQ(e.code, "E2014");
  EXPECT_EQ(e.message, "full");
  EXPECT_TRUE(e.retryable);
  for (const char* odd : {"", "null", "[]", "{\"error\":1}", "{\"error\":{\"code\":7,\"retryable\":\"x\"}}"})
    EXPECT_FALSE(parse_openai_error(odd).retryable) << odd;
}

TEST(RetryAfter, IsWholeSecondsRoundedUp) {
  EXPECT_EQ(retry_after_seconds(0ms), "1");
  EXPECT_EQ(retry_after_seconds(1000ms), "1");
  EXPECT_EQ(retry_after_seconds(1001ms), "2");
}

}  // namespace
}  // namespace slipway::codec
