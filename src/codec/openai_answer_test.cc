#include "codec/openai_answer.h"

#include <gtest/gtest.h>

#include <string>

namespace slipway::codec {
namespace {

TEST(AnswerReaderTest, ReadsTheUsageOfAnObject) {
  AnswerReader reader;
  const AnswerFacts f = reader.read(
      R"({"usage":{"prompt_tokens":12,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":8}}})");
  EXPECT_TRUE(f.object);
  ASSERT_TRUE(f.usage);
  EXPECT_EQ(f.usage->prompt_tokens, 12u);
  EXPECT_EQ(f.usage->completion_tokens, 3u);
  EXPECT_EQ(f.usage->cached_tokens, 8u);
}

TEST(AnswerReaderTest, AnObjectMayHaveNoUsage) {
  AnswerReader reader;
  for (const char* json : {"{}", R"({"usage":null})", R"({"usage":[1]})"}) {
    EXPECT_TRUE(reader.read(json).object) << json;
    EXPECT_FALSE(reader.read(json).usage) << json;
  }
}

TEST(AnswerReaderTest, EverythingElseIsNoObject) {
  AnswerReader reader;
  for (const char* json : {"", "[]", "1", "{", "<html>", "{}{}", "{\"a\":\"\xff\"}"})
    EXPECT_FALSE(reader.read(json).object) << json;
}

TEST(AnswerReaderTest, IsReusedAfterALargeAnswer) {
  AnswerReader reader;
  EXPECT_TRUE(reader.read("{\"a\":\"" + std::string(1'000'000, 'x') + "\"}").object);
  EXPECT_TRUE(reader.read("{}").object);
}

}  // namespace
}  // namespace slipway::codec
