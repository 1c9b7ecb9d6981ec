#include "codec/openai_response.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace slipway::codec {
namespace {

using nlohmann::json;

const AnswerIdentity kIdentity{"chatcmpl-1", "m\"x", "fp_1", 1700000000};

// The JSON of the only event in `out`.
json event(const std::string& out) {
  EXPECT_TRUE(out.starts_with("data: ")) << out;
  EXPECT_TRUE(out.ends_with("\n\n")) << out;
  return json::parse(out.substr(6));
}

TEST(JsonText, EscapesAndReplacesWhatIsNotUtf8) {
  for (const std::string& text : {std::string("plain"), std::string("q\" b\\ n\n t\t c\x01 d\x7F"),
                                  std::string("gr\xC3\xBC\xC3\x9F \xF0\x9F\x9A\xA2")}) {
    std::string out;
    base::append_json_string(out, text);
    EXPECT_EQ(json::parse(out).get<std::string>(), text);
  }
  for (const std::string bad : {"\xFF", "\xC0\xAF", "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    std::string out;
    base::append_json_string(out, "a" + bad + "b");
    const std::string back = json::parse(out).get<std::string>();
    EXPECT_NE(back.find("\xEF\xBF\xBD"), std::string::npos);
    EXPECT_TRUE(back.starts_with('a') && back.ends_with('b'));
  }
}

TEST(JsonNumber, IsAlwaysJson) {
  for (const double value : {0.0, -1.5, 1e-300, HUGE_VAL, -HUGE_VAL, std::nan("")}) {
    std::string out;
    append_json_number(out, value);
    EXPECT_TRUE(json::accept(out)) << out;
  }
}

TEST(StreamWriter, ChatEventsHaveOpenAisShape) {
  const StreamWriter writer(AnswerKind::chat, kIdentity, true);
  std::string out;
  writer.role(out, 0);
  json j = event(out);
  EXPECT_EQ(j["id"], "chatcmpl-1");
  EXPECT_EQ(j["object"], "chat.completion.chunk");
  EXPECT_EQ(j["model"], "m\"x");
  EXPECT_EQ(j["created"], 1700000000);
  EXPECT_EQ(j["choices"][0]["delta"], json::parse(R"({"role":"assistant","content":""})"));
  EXPECT_TRUE(j["choices"][0]["finish_reason"].is_null());
  EXPECT_TRUE(j.contains("usage") && j["usage"].is_null());

  out.clear();
  writer.content(out, 1, "a\"\n");
  j = event(out);
  EXPECT_EQ(j["choices"][0]["index"], 1);
  EXPECT_EQ(j["choices"][0]["delta"], json::parse(R"({"content":"a\"\n"})"));

  out.clear();
  writer.tool_call(out, 0, {2, "call_1", "f", ""});
  EXPECT_EQ(
      event(out)["choices"][0]["delta"]["tool_calls"][0],
      json::parse(R"({"index":2,"id":"call_1","type":"function","function":{"name":"f","arguments":""}})"));
  out.clear();
  writer.tool_call(out, 0, {2, "", "", "{\"a\""});
  EXPECT_EQ(event(out)["choices"][0]["delta"]["tool_calls"][0],
            json::parse(R"({"index":2,"function":{"arguments":"{\"a\""}})"));

  out.clear();
  writer.finish(out, 0, "stop");
  j = event(out);
  EXPECT_EQ(j["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(j["choices"][0]["delta"].empty());

  out.clear();
  writer.usage(out, {10, 4, 5});
  j = event(out);
  EXPECT_TRUE(j["choices"].empty());
  EXPECT_EQ(j["usage"]["total_tokens"], 15);
  EXPECT_EQ(j["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
}

TEST(StreamWriter, TextEventsHaveOpenAisShape) {
  const StreamWriter writer(AnswerKind::text, kIdentity, false);
  std::string out;
  writer.content(out, 0, "hi");
  const json j = event(out);
  EXPECT_EQ(j["object"], "text_completion");
  EXPECT_EQ(j["choices"][0]["text"], "hi");
  EXPECT_FALSE(j.contains("usage"));
}

TEST(WholeAnswer, ChatWithToolsAndLogprobs) {
  std::string logprobs = "{\"content\":[";
  append_chat_logprob(logprobs, {"\xF0\x9F", -0.5, {{"x", -0.7}}});
  logprobs += "]}";
  const std::vector<AnswerChoice> choices = {
      {0, "", "thinking", {{0, "call_1", "f", "{\"a\":1}"}}, "", "tool_calls"},
      {1, "text", "", {}, logprobs, "stop"}};
  const json j = json::parse(whole_answer(AnswerKind::chat, kIdentity, choices, {3, 0, 4}));
  EXPECT_TRUE(j["choices"][0]["message"]["content"].is_null());
  EXPECT_EQ(j["choices"][0]["message"]["reasoning_content"], "thinking");
  EXPECT_EQ(j["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
  EXPECT_FALSE(j["choices"][0]["message"]["tool_calls"][0].contains("index"));
  EXPECT_EQ(j["choices"][1]["logprobs"]["content"][0]["bytes"], json::parse("[240,159]"));
  EXPECT_EQ(j["choices"][1]["logprobs"]["content"][0]["top_logprobs"][0]["token"], "x");
  EXPECT_EQ(j["usage"]["total_tokens"], 7);
}

TEST(TextLogprobs, OffsetsGoOnAcrossPieces) {
  TextLogprobs logprobs;
  logprobs.add({"ab", -1, {{"ab", -1}, {"c", -2}}});
  json j = json::parse(logprobs.take());
  EXPECT_EQ(j["tokens"], json::parse(R"(["ab"])"));
  EXPECT_EQ(j["top_logprobs"][0]["c"], -2.0);
  logprobs.add({"cd", -1, {}});
  j = json::parse(logprobs.take());
  EXPECT_EQ(j["text_offset"], json::parse("[2]"));
}

TEST(Embeddings, FloatAndBase64AreTheSameNumbers) {
  const std::vector<std::vector<float>> vectors = {{1.0f, -0.25f}, {0.5f}};
  const json j = json::parse(embeddings_answer("m", vectors, false, 7));
  EXPECT_EQ(j["data"][0]["embedding"], json::parse("[1,-0.25]"));
  EXPECT_EQ(j["data"][1]["index"], 1);
  EXPECT_EQ(j["usage"]["prompt_tokens"], 7);
  const json b = json::parse(embeddings_answer("m", vectors, true, 7));
  EXPECT_EQ(b["data"][0]["embedding"], "AACAPwAAgL4=");
  EXPECT_EQ(b["data"][1]["embedding"], "AAAAPw==");
}

}  // namespace
}  // namespace slipway::codec
