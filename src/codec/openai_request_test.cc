#include "codec/openai_request.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slipway::codec {
namespace {

using base::ErrorCode;
using nlohmann::json;

base::Result<OpenAiRequest> parse(std::string_view body, OpenAiCall call = OpenAiCall::chat,
                                  JsonLimits limits = {}) {
  RequestReader reader;
  return reader.parse(call, body, limits);
}

constexpr std::string_view kChat = R"({"model":"m","messages":[{"role":"user","content":"hi"}])";

std::string chat(std::string_view more) {
  return std::string(kChat) + (more.empty() ? "" : ",") + std::string(more) + "}";
}

TEST(OpenAiRequestTest, ReadsWhatTheFrontDoorNeeds) {
  const auto r = parse(
      chat(R"("stream":true,"max_tokens":7,"n":2,"stop":["a","b"],"stream_options":{"include_usage":true})"));
  ASSERT_TRUE(r) << r.error().to_string();
  EXPECT_EQ(r->model, "m");
  EXPECT_TRUE(r->stream);
  EXPECT_TRUE(r->include_usage);
  EXPECT_EQ(r->max_tokens, 7u);
  EXPECT_EQ(r->n, 2u);
  EXPECT_EQ(r->stop_count, 2u);
  EXPECT_EQ(r->prompt_bytes, 6u);
}

TEST(OpenAiRequestTest, NullMeansAbsentAndMaxCompletionTokensWins) {
  const auto r = parse(chat(
      R"("stream":null,"n":null,"stop":null,"stream_options":null,"max_tokens":9,"max_completion_tokens":4)"));
  ASSERT_TRUE(r) << r.error().to_string();
  EXPECT_FALSE(r->stream);
  EXPECT_EQ(r->n, 1u);
  EXPECT_EQ(r->max_tokens, 4u);
}

struct Bad {
  const char* name;
  std::string body;
  ErrorCode code;
  const char* param;
};

TEST(OpenAiRequestTest, BadBodiesAreRefusedWithCodeAndField) {
  const Bad rows[] = {
      {"empty", "", ErrorCode::bad_json, ""},
      {"not json", "{", ErrorCode::bad_json, ""},
      {"trailing", chat("") + "x", ErrorCode::bad_json, ""},
      {"an array", "[]", ErrorCode::bad_json, ""},
      {"a string", "\"x\"", ErrorCode::bad_json, ""},
      {"bad utf-8", "{\"model\":\"\xff\"}", ErrorCode::bad_json, ""},
      {"bad escape", R"({"model":"\q"})", ErrorCode::bad_json, ""},
      {"control character", "{\"model\":\"a\nb\"}", ErrorCode::bad_json, ""},
      {"number beyond 64 bits", chat(R"("seed":1e999)"), ErrorCode::bad_json, ""},
      {"no model", R"({"messages":[{"role":"user","content":"x"}]})", ErrorCode::bad_request, "model"},
      {"model is a number", R"({"model":1})", ErrorCode::bad_request, "model"},
      {"no messages", R"({"model":"m"})", ErrorCode::bad_request, "messages"},
      {"empty messages", R"({"model":"m","messages":[]})", ErrorCode::bad_request, "messages"},
      {"message without role", R"({"model":"m","messages":[{"content":"x"}]})", ErrorCode::bad_request,
       "messages"},
      {"stream is a string", chat(R"("stream":"yes")"), ErrorCode::bad_request, "stream"},
      {"negative max_tokens", chat(R"("max_tokens":-1)"), ErrorCode::bad_request, "max_tokens"},
      {"fractional max_tokens", chat(R"("max_tokens":1.5)"), ErrorCode::bad_request, "max_tokens"},
      {"n is 0", chat(R"("n":0)"), ErrorCode::bad_request, "n"},
      {"n is too large", chat(R"("n":17)"), ErrorCode::bad_request, "n"},
      {"stop holds a number", chat(R"("stop":[1])"), ErrorCode::bad_request, "stop"},
      {"too many stops",
       chat(R"("stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])"),
       ErrorCode::bad_request, "stop"},
      {"stream_options is a list", chat(R"("stream_options":[])"), ErrorCode::bad_request, "stream_options"},
      {"a key twice", chat(R"("n":1,"n":2)"), ErrorCode::bad_request, "n"},
      {"the model twice", chat(R"("model":"other")"), ErrorCode::bad_request, "model"},
      {"the model twice, once escaped", chat(R"("mod\u0065l":"other")"), ErrorCode::bad_request, "model"},
  };
  for (const Bad& row : rows) {
    const auto r = parse(row.body);
    ASSERT_FALSE(r) << row.name;
    EXPECT_EQ(r.error().code(), row.code) << row.name << ": " << r.error().to_string();
    EXPECT_EQ(r.error().param(), row.param) << row.name;
  }
}

TEST(OpenAiRequestTest, LimitsOnDepthKeysAndBytesHold) {
  std::string deep = "1";
  for (int i = 0; i < 62; ++i) deep = "[" + deep + "]";
  EXPECT_TRUE(parse(chat("\"tools\":" + deep)));
  const auto too_deep = parse(chat("\"tools\":[[" + deep + "]]"));
  ASSERT_FALSE(too_deep);
  EXPECT_EQ(too_deep.error().code(), ErrorCode::bad_json);
  EXPECT_NE(too_deep.error().message().find("64 levels"), std::string::npos);

  std::string keys;
  for (int i = 0; i < 127; ++i) keys += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":0";
  EXPECT_FALSE(parse(chat(keys)));
  const auto large = parse(chat(""), OpenAiCall::chat, {.max_bytes = 10});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code(), ErrorCode::body_too_large);
}

TEST(OpenAiRequestTest, BadJsonNamesTheByte) {
  const auto r = parse(R"({"model": oops})");
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message().find("at byte 11"), std::string::npos) << r.error().message();
}

TEST(OpenAiRequestTest, TheOtherCallsNeedTheirOwnFields) {
  EXPECT_TRUE(parse(R"({"model":"m","prompt":"x"})", OpenAiCall::completion));
  EXPECT_TRUE(parse(R"({"model":"m","prompt":[1,2,3]})", OpenAiCall::completion));
  EXPECT_FALSE(parse(R"({"model":"m"})", OpenAiCall::completion));
  EXPECT_TRUE(parse(R"({"model":"m","input":["a","b"]})", OpenAiCall::embeddings));
  EXPECT_FALSE(parse(R"({"model":"m"})", OpenAiCall::embeddings));
  EXPECT_TRUE(parse(R"({"content":"x"})", OpenAiCall::tokenize));
  EXPECT_TRUE(parse(R"({"tokens":[1]})", OpenAiCall::detokenize));
}

std::string serialized(std::string_view body, std::string_view model = "replica-model") {
  RequestReader reader;
  EXPECT_TRUE(reader.parse(OpenAiCall::chat, body, {}));
  std::string out;
  reader.serialize(model, out);
  return out;
}

TEST(Serialize, PutsTheReplicasModelIdAndKeepsTheRest) {
  const std::string body =
      chat(R"( "temperature" : 0.5 , "tools":[{"a":{"b":[1,2,{"c":null}]}}],"logit_bias":{"1":-100})");
  json expected = json::parse(body);
  expected["model"] = "replica-model";
  EXPECT_EQ(json::parse(serialized(body)), expected);
}

TEST(Serialize, AStreamAlwaysReportsItsUsage) {
  for (const char* more :
       {R"("stream":true)", R"("stream":true,"stream_options":null)", R"("stream":true,"stream_options":{})",
        R"("stream":true,"stream_options":{"include_usage":false})",
        R"("stream_options":{"include_usage":true},"stream":true)"}) {
    const json j = json::parse(serialized(chat(more)));
    EXPECT_EQ(j["stream_options"], json::parse(R"({"include_usage":true})")) << more;
    EXPECT_EQ(j["stream"], true);
  }
  const json kept =
      json::parse(serialized(chat(R"("stream":true,"stream_options":{"x":[1],"include_usage":false})")));
  EXPECT_EQ(kept["stream_options"], json::parse(R"({"include_usage":true,"x":[1]})"));
}

TEST(Serialize, AWholeAnswerIsNotTouched) {
  EXPECT_FALSE(json::parse(serialized(chat(""))).contains("stream_options"));
}

TEST(Serialize, AModelIdIsQuoted) {
  EXPECT_EQ(json::parse(serialized(chat(""), "a\"b\\c\xc3\xa9"))["model"], "a\"b\\c\xc3\xa9");
}

TEST(Serialize, AReaderIsReusedFromLargeToSmall) {
  RequestReader reader;
  const std::string large = chat("\"user\":\"" + std::string(1'000'000, 'x') + "\"");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(reader.parse(OpenAiCall::chat, large, {}));
    std::string sent;
    reader.serialize("m", sent);
    EXPECT_EQ(sent.size(), large.size());
    ASSERT_TRUE(reader.parse(OpenAiCall::chat, chat(""), {}));
    reader.serialize("m", sent);
    EXPECT_EQ(json::parse(sent), json::parse(chat("")));
  }
}

TEST(PromptHash, IsTheSameHoweverTheTextIsEscapedAndDiffersByTextAndRole) {
  const auto hash = [](std::string_view messages) {
    return parse("{\"model\":\"m\",\"messages\":" + std::string(messages) + "}")->prompt_hash;
  };
  const auto plain = hash(R"([{"role":"user","content":"hello"}])");
  EXPECT_EQ(plain, hash(R"([{"content":"h\u0065llo","role":"user"}])"));
  EXPECT_EQ(plain, hash(R"([{"role":"user","content":[{"type":"text","text":"hello"}]}])"));
  EXPECT_NE(plain, hash(R"([{"role":"system","content":"hello"}])"));
  EXPECT_NE(plain, hash(R"([{"role":"user","content":"hell"},{"role":"o","content":""}])"));
}

TEST(Fingerprint, IsEqualForEqualRequests) {
  EXPECT_EQ(request_fingerprint(serialized(chat("\"n\":1"))),
            request_fingerprint(serialized(chat("\"n\":1"))));
  EXPECT_NE(request_fingerprint(serialized(chat("\"n\":1"))),
            request_fingerprint(serialized(chat("\"n\":2"))));
}

}  // namespace
}  // namespace slipway::codec
