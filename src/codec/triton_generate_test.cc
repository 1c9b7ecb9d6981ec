#include "codec/triton_generate.h"

#include <gmock/gmock.h>

#include "codec/json_view.h"

namespace slipway::codec {
namespace {

TritonCall call(const char* body) {
  auto made = TritonCall::make(body, "req_1", 7);
  EXPECT_TRUE(made) << made.error().to_string();
  return *std::move(made);
}

TEST(TritonGenerate, ARequestIsTranslatedWithItsSampling) {
  const TritonCall one = call(
      R"({"model":"qwen","prompt":"hé","max_tokens":5,"temperature":0,"stop":["a","b"],"user":"x","stream":true})");
  EXPECT_EQ(one.target(), "/v2/models/qwen/generate_stream");
  const Json body = *parse_json(one.body());
  EXPECT_EQ(body["text_input"], "hé");
  EXPECT_EQ(body["stream"], true);
  EXPECT_EQ(*parse_json(body["sampling_parameters"].get<std::string>()),
            *parse_json(R"({"max_tokens":5,"temperature":0,"stop":["a","b"]})"));
  EXPECT_EQ(call(R"({"model":"qwen","prompt":"x"})").target(), "/v2/models/qwen/generate");
}

TEST(TritonGenerate, WhatTheExtensionCannotDoIsRefusedByName) {
  for (const auto& [body, field] : {std::pair{R"({"model":"m","prompt":["a","b"]})", "prompt"},
                                    {R"({"model":"m","prompt":"a","n":2})", "n"},
                                    {R"({"model":"m","prompt":"a","echo":true})", "echo"},
                                    {R"({"model":"m","prompt":"a","logprobs":1})", "logprobs"}}) {
    const auto made = TritonCall::make(body, "req_1", 7);
    ASSERT_FALSE(made) << body;
    EXPECT_EQ(made.error().param(), field);
  }
}

TEST(TritonGenerate, AWholeAnswerHasTextReasonAndUsage) {
  const Json answer =
      *parse_json(call(R"({"model":"qwen","prompt":"x"})")
                      .answer(200, R"({"model_name":"qwen","text_output":"Hi","finish_reason":"length",
                                                       "num_input_tokens":3,"num_output_tokens":2})"));
  EXPECT_EQ(answer["choices"][0]["text"], "Hi");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(answer["usage"]["total_tokens"], 5);
  EXPECT_EQ(answer["id"], "req_1");
}

TEST(TritonGenerate, ARefusalIsAnErrorOfOpenAis) {
  const Json refusal =
      *parse_json(call(R"({"model":"qwen","prompt":"x"})").answer(400, R"({"error":"unknown model"})"));
  EXPECT_EQ(refusal["error"]["message"], "unknown model");
  EXPECT_EQ(refusal["error"]["type"], "invalid_request_error");
  EXPECT_EQ(call(R"({"model":"qwen","prompt":"x"})").answer(502, "<html>"), "<html>");
}

constexpr std::string_view kStream =
    "data: "
    "{\"text_output\":\"He\",\"finish_reason\":\"None\",\"num_input_tokens\":3,\"num_output_tokens\":1}\n\n"
    "data: "
    "{\"text_output\":\"y\",\"finish_reason\":\"stop\",\"num_input_tokens\":3,\"num_output_tokens\":1}"
    "\r\n\r\n";

TEST(TritonGenerate, AStreamIsTheSameHoweverItIsCut) {
  const char* const body = R"({"model":"qwen","prompt":"x","stream":true})";
  TritonCall whole = call(body);
  const std::string expected = whole.feed(kStream) + whole.finish();
  EXPECT_THAT(expected, ::testing::HasSubstr(R"("text":"y","logprobs":null,"finish_reason":"stop")"));
  EXPECT_THAT(expected, ::testing::HasSubstr(R"("prompt_tokens":3,"completion_tokens":2)"));
  EXPECT_TRUE(expected.ends_with("data: [DONE]\n\n"));
  for (std::size_t cut = 1; cut < kStream.size(); ++cut) {
    TritonCall cut_call = call(body);
    std::string got = cut_call.feed(kStream.substr(0, cut));
    got += cut_call.feed(kStream.substr(cut));
    EXPECT_EQ(got + cut_call.finish(), expected) << cut;
  }
}

TEST(TritonGenerate, ACutStreamHasNoEnd) {
  TritonCall one = call(R"({"model":"qwen","prompt":"x","stream":true})");
  one.feed(kStream.substr(0, 60));
  EXPECT_EQ(one.finish(), "");
}

TEST(TritonGenerate, AnErrorInTheStreamEndsItAsAnError) {
  for (const char* bad : {"data: {\"error\":\"the engine died\"}\n\n", "data: nonsense\n\n"}) {
    TritonCall broken = call(R"({"model":"qwen","prompt":"x","stream":true})");
    EXPECT_THAT(broken.feed(bad), ::testing::StartsWith("event: error\ndata: {"));
    EXPECT_EQ(broken.feed(kStream), "");
    EXPECT_EQ(broken.finish(), "");
  }
}

}  // namespace
}  // namespace slipway::codec
