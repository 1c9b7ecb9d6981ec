#include "worker/service.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "codec/openai_request.h"
#include "engine/tool_fallback.h"
#include "worker/service_fixture.h"
#include "worker/testing.h"

namespace slipway::worker {
namespace {

using base::Error, base::ErrorCode;
using nlohmann::json;
using testing::bytes_as_tokens, testing::content_of, testing::FakeEngine;
using Play = FakeEngine::Play;

const std::string kHi = R"("messages":[{"role":"user","content":"hi"}])";
const std::string kTool =
    R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}])";

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    engine_.script = [](const engine::Request&) { return Play{.tokens = bytes_as_tokens("Hello, world.")}; };
    served_.emplace();
    served_->serve(engine_, format_);
  }
  ~ServiceTest() override {
    engine_.drain({});
    served_.reset();
  }

  io::BlockingResponse call(std::string_view method, std::string_view path, std::string_view body,
                            std::vector<io::Header> headers = {},
                            const std::function<bool(std::string_view)>& on_data = {}) {
    return served_->call(method, path, body, std::move(headers), on_data);
  }
  json post(std::string_view path, std::string_view body, int status = 200,
            std::vector<io::Header> headers = {}) {
    return served_->post(path, body, status, std::move(headers));
  }
  json chat(const std::string& rest, int status = 200, std::vector<io::Header> headers = {}) {
    return post("/v1/chat/completions", "{" + kHi + (rest.empty() ? "" : "," + rest) + "}", status,
                std::move(headers));
  }
  std::vector<json> chat_events(const std::string& rest, std::vector<io::Header> headers = {}) {
    return served_->events("/v1/chat/completions",
                           "{\"stream\":true," + kHi + (rest.empty() ? "" : "," + rest) + "}",
                           std::move(headers));
  }

  engine::ChatFormat format_{engine::kToolTemplate, "", "</s>"};
  FakeEngine engine_;
  std::optional<testing::ServedService> served_;
};

TEST_F(ServiceTest, AChatAnswerHasOpenAisShape) {
  const json j = chat("", 200, {{"x-request-id", "req_7"}});
  EXPECT_EQ(j["id"], "chatcmpl-7");
  EXPECT_EQ(j["object"], "chat.completion");
  EXPECT_EQ(j["model"], "tiny");
  EXPECT_EQ(j["system_fingerprint"].get<std::string>().size(), 19u);
  EXPECT_EQ(j["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(j["choices"][0]["message"]["content"], "Hello, world.");
  EXPECT_EQ(j["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(j["choices"][0]["logprobs"].is_null());
  EXPECT_EQ(j["usage"]["completion_tokens"], 13);
  EXPECT_EQ(j["usage"]["prompt_tokens_details"]["cached_tokens"], 1);
}

TEST_F(ServiceTest, AStreamBeginsWithTheRoleAndEndsWithUsageAndDone) {
  const auto stream = chat_events(R"("stream_options":{"include_usage":true})");
  ASSERT_GE(stream.size(), 5u);
  EXPECT_EQ(stream[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(content_of(stream), "Hello, world.");
  EXPECT_EQ(stream[stream.size() - 3]["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(stream[stream.size() - 2]["choices"].empty());
  EXPECT_EQ(stream[stream.size() - 2]["usage"]["completion_tokens"], 13);
  EXPECT_EQ(stream.back(), "[DONE]");
}

TEST_F(ServiceTest, ACharacterOfSeveralTokensComesInOnePiece) {
  engine_.script = [](const engine::Request&) {
    return Play{.tokens = bytes_as_tokens("a\xF0\x9F\x9A\xA2z\xE2\x82")};
  };
  for (const json& event : chat_events(""))
    if (event.is_object())
      EXPECT_FALSE(event["choices"][0]["delta"].value("content", "").starts_with("\x9F"));
  EXPECT_EQ(content_of(chat_events("")), "a\xF0\x9F\x9A\xA2z\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(ServiceTest, AStopStringEndsTheAnswerAndItsRequestIsCancelled) {
  engine_.script = [](const engine::Request&) {
    return Play{.tokens = bytes_as_tokens("one END two and much more"), .hold = 9};
  };
  const json j = chat(R"("stop":["END"])");
  EXPECT_EQ(j["choices"][0]["message"]["content"], "one ");
  EXPECT_EQ(j["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(j["usage"]["completion_tokens"], 7);
  EXPECT_EQ(engine_.cancelled(), 1);
  EXPECT_EQ(content_of(chat_events(R"("stop":"END")")), "one ");
}

TEST_F(ServiceTest, NChoicesAreSubmissionsWithTheirOwnSeeds) {
  const json j = chat(R"("n":3,"seed":5)");
  ASSERT_EQ(j["choices"].size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(j["choices"][i]["index"], i);
  const auto requests = engine_.requests();
  ASSERT_EQ(requests.size(), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(requests[i].sampling.seed, 5 + i);
    EXPECT_EQ(requests[i].prompt, requests[0].prompt);
  }
  EXPECT_EQ(j["usage"]["completion_tokens"], 39);
  EXPECT_EQ(j["usage"]["prompt_tokens"], requests[0].prompt.size()) << "the choices share one prompt";
  const auto stream = chat_events(R"("n":2)");
  EXPECT_EQ(content_of(stream, 0), "Hello, world.");
  EXPECT_EQ(content_of(stream, 1), "Hello, world.");
}

TEST_F(ServiceTest, ParametersReachTheEngine) {
  chat(
      R"("temperature":0,"top_p":0.5,"top_k":7,"min_p":0.1,"presence_penalty":1,"frequency_penalty":-1,"repeat_penalty":1.1,)"
      R"("max_completion_tokens":9,"logit_bias":{"5":-100},"ignore_eos":true)",
      200, {{"x-slipway-cache-salt", "tenant"}});
  const engine::Request request = engine_.requests().at(0);
  EXPECT_EQ(request.sampling.temperature, 0);
  EXPECT_EQ(request.sampling.top_p, 0.5f);
  EXPECT_EQ(request.sampling.top_k, 7);
  EXPECT_EQ(request.sampling.min_p, 0.1f);
  EXPECT_EQ(request.sampling.presence_penalty, 1);
  EXPECT_EQ(request.sampling.frequency_penalty, -1);
  EXPECT_EQ(request.sampling.repeat_penalty, 1.1f);
  EXPECT_EQ(request.max_tokens, 9);
  ASSERT_EQ(request.sampling.logit_bias.size(), 1u);
  EXPECT_EQ(request.sampling.logit_bias[0].first, 5);
  EXPECT_TRUE(request.sampling.ignore_eos);
  EXPECT_EQ(request.cache_salt, "tenant");
}

TEST_F(ServiceTest, LogprobsOfChat) {
  const json j = chat(R"("logprobs":true,"top_logprobs":2)");
  const json& content = j["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 13u);
  EXPECT_EQ(content[0]["token"], "H");
  EXPECT_EQ(content[0]["bytes"], json::parse("[72]"));
  EXPECT_EQ(content[0]["top_logprobs"].size(), 2u);
  std::string text;
  for (const json& event : chat_events(R"("logprobs":true)"))
    if (event.is_object() && event["choices"][0]["logprobs"].is_object())
      for (const json& entry : event["choices"][0]["logprobs"]["content"]) text += entry["token"];
  EXPECT_EQ(text, "Hello, world.");
}

TEST_F(ServiceTest, CompletionsTakeManyPromptsInManyForms) {
  const json j = post("/v1/completions", R"({"prompt":["a","b"],"n":2,"logprobs":1})");
  ASSERT_EQ(j["choices"].size(), 4u);
  EXPECT_EQ(j["object"], "text_completion");
  EXPECT_EQ(j["choices"][3]["text"], "Hello, world.");
  EXPECT_EQ(j["choices"][0]["logprobs"]["tokens"][0], "H");
  EXPECT_EQ(j["choices"][0]["logprobs"]["text_offset"][2], 2);
  post("/v1/completions", R"({"prompt":[[65,66],[67]],"max_tokens":3})");
  const auto requests = engine_.requests();
  EXPECT_EQ(requests[4].prompt, (std::vector<engine::Token>{65, 66}));
  EXPECT_EQ(requests[5].max_tokens, 3);
  EXPECT_EQ(requests[0].max_tokens, 16) << "OpenAI's default";
  const auto stream = served_->events("/v1/completions", R"({"prompt":"a","stream":true})");
  EXPECT_EQ(stream.back(), "[DONE]");
  EXPECT_EQ(stream[0]["object"], "text_completion");
}

TEST_F(ServiceTest, AToolCallIsStreamedInPieces) {
  engine_.script = [](const engine::Request&) {
    return Play{.tokens = bytes_as_tokens(
                    "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"x\"}}\n</tool_call>")};
  };
  std::string name, arguments, id, reason;
  for (const json& event : chat_events(kTool)) {
    if (!event.is_object()) continue;
    const json& choice = event["choices"][0];
    if (choice["finish_reason"].is_string()) reason = choice["finish_reason"];
    if (!choice["delta"].contains("tool_calls")) continue;
    const json& call = choice["delta"]["tool_calls"][0];
    EXPECT_EQ(call["index"], 0);
    id += call.value("id", "");
    name += call["function"].value("name", "");
    arguments += call["function"].value("arguments", "");
  }
  EXPECT_EQ(name, "f");
  EXPECT_EQ(json::parse(arguments), json::parse(R"({"a":"x"})"));
  EXPECT_TRUE(id.starts_with("call_") && id.size() == 29) << id;
  EXPECT_EQ(reason, "tool_calls");
  const json whole = chat(kTool);
  EXPECT_TRUE(whole["choices"][0]["message"]["content"].is_null());
  EXPECT_EQ(whole["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ(whole["choices"][0]["finish_reason"], "tool_calls");
}

TEST_F(ServiceTest, OutputThatIsNoToolCallAfterAllIsShownAsText) {
  engine_.script = [](const engine::Request&) {
    return Play{.tokens = bytes_as_tokens("<tool_call>\nnonsense")};
  };
  const json j = chat(kTool);
  EXPECT_EQ(j["choices"][0]["message"]["content"], "<tool_call>\nnonsense");
  EXPECT_EQ(content_of(chat_events(kTool)), "<tool_call>\nnonsense");
}

struct Wrong {
  const char* field;
  const char* param;
  const char* code;
};

TEST_F(ServiceTest, WrongFieldsAreNamed) {
  const Wrong cases[] = {
      {R"("temperature":"hot")", "temperature", "E2005"},
      {R"("temperature":3)", "temperature", "E2005"},
      {R"("top_p":-1)", "top_p", "E2005"},
      {R"("n":0)", "n", "E2005"},
      {R"("n":1.5)", "n", "E2005"},
      {R"("n":1000)", "n", "E2005"},
      {R"("max_tokens":0)", "max_tokens", "E2005"},
      {R"("max_tokens":"9")", "max_tokens", "E2005"},
      {R"("stop":[""])", "stop", "E2005"},
      {R"("stop":7)", "stop", "E2005"},
      {R"("stream":"yes")", "stream", "E2005"},
      {R"("stream_options":[])", "stream_options", "E2005"},
      {R"("seed":"x")", "seed", "E2005"},
      {R"("logprobs":5)", "logprobs", "E2005"},
      {R"("top_logprobs":5)", "top_logprobs", "E2005"},
      {R"("logprobs":true,"top_logprobs":21)", "top_logprobs", "E2005"},
      {R"("logit_bias":{"x":1})", "logit_bias", "E2005"},
      {R"("logit_bias":{"5":1000})", "logit_bias", "E2005"},
      {R"("functions":[])", "functions", "E2019"},
      {R"("guided_json":{})", "guided_json", "E2019"},
      {R"("modalities":["audio"])", "modalities", "E2019"},
      {R"("response_format":{"type":"json_schema","json_schema":{"schema":{"not":{}}}})",
       "response_format.json_schema.schema", "E2020"},
  };
  for (const Wrong& wrong : cases) {
    const json j = chat(wrong.field, 400);
    EXPECT_EQ(j["error"]["param"], wrong.param) << wrong.field;
    EXPECT_EQ(j["error"]["code"], wrong.code) << wrong.field;
    EXPECT_FALSE(j["error"]["next"].get<std::string>().empty());
  }
  EXPECT_EQ(post("/v1/completions", R"({"prompt":"x","echo":true})", 400)["error"]["param"], "echo");
  EXPECT_EQ(post("/v1/completions", R"({"prompt":"x","suffix":"y"})", 400)["error"]["param"], "suffix");
  EXPECT_EQ(post("/v1/completions", R"({"prompt":[1,99999]})", 400)["error"]["param"], "prompt");
  EXPECT_EQ(post("/v1/completions", R"({})", 400)["error"]["param"], "prompt");
  EXPECT_EQ(post("/v1/chat/completions", "{", 400)["error"]["code"], "E2004");
  EXPECT_EQ(post("/v1/chat/completions", std::string(70, '['), 400)["error"]["code"], "E2004");
  EXPECT_TRUE(engine_.requests().empty());
}

TEST_F(ServiceTest, UnknownFieldsAndNullsAreIgnored) {
  chat(
      R"("user":"me","store":true,"temperature":null,"stop":null,"n":null,"tools":null,"response_format":null)");
}

TEST_F(ServiceTest, WhatTheEngineRefusesHasItsStatus) {
  engine_.script = [](const engine::Request&) -> base::Result<Play> {
    return Error(ErrorCode::queue_full, "512 requests wait")
        .with_retry_after(std::chrono::milliseconds(1500));
  };
  json j = chat("", 429, {{"x-request-id", "req_abc"}});
  EXPECT_EQ(j["error"]["code"], "E2014");
  EXPECT_EQ(j["error"]["retryable"], true);
  EXPECT_EQ(j["error"]["retry_after"], 1.5);
  EXPECT_EQ(j["error"]["request_id"], "req_abc");
  j = chat(R"("stream":true)", 429);
  engine_.script = [](const engine::Request&) -> base::Result<Play> {
    return Error(ErrorCode::context_overflow, "600 prompt tokens, the context has 512");
  };
  j = chat("", 400);
  EXPECT_EQ(j["error"]["symbol"], "context_overflow");
}

TEST_F(ServiceTest, AFailureInsideAStreamIsAnErrorEventWithoutDone) {
  engine_.script = [](const engine::Request&) {
    return Play{.tokens = bytes_as_tokens("abc"),
                .reason = engine::FinishReason::error,
                .error = Error(ErrorCode::internal, "the logits are not finite")};
  };
  const auto stream = chat_events("");
  EXPECT_EQ(stream.back()["error"]["message"], "the logits are not finite");
  for (const json& event : stream) EXPECT_NE(event, "[DONE]");
  EXPECT_EQ(chat("", 500)["error"]["code"], "E9003");
}

TEST_F(ServiceTest, TheHeadComesBeforeTheFirstTokenAndALeavingClientCancels) {
  engine_.script = [](const engine::Request&) { return Play{.tokens = bytes_as_tokens("abc"), .hold = 0}; };
  std::string seen;
  call("POST", "/v1/chat/completions", "{\"stream\":true," + kHi + "}", {}, [&](std::string_view data) {
    seen += data;
    return false;  // leaves
  });
  EXPECT_NE(seen.find("\"role\":\"assistant\""), std::string::npos);
  engine_.wait_for_cancelled(1);
}

TEST_F(ServiceTest, ADeadlineCancels) {
  engine_.script = [](const engine::Request&) { return Play{.tokens = bytes_as_tokens("abc"), .hold = 2}; };
  EXPECT_EQ(chat("", 504, {{"x-slipway-timeout-ms", "30"}})["error"]["symbol"], "deadline");
  const auto stream = chat_events("", {{"x-slipway-timeout-ms", "30"}});
  EXPECT_EQ(stream.back()["error"]["symbol"], "deadline");
  engine_.wait_for_cancelled(2);
}

TEST_F(ServiceTest, StrikesIsolateOrRefuseTheSameBody) {
  const std::string body = "{" + kHi + "}";
  codec::Strikes strikes;
  strikes.alone = {codec::request_fingerprint(body)};
  post("/internal/strikes", codec::encode_strikes(strikes));
  post("/v1/chat/completions", body);
  post("/v1/chat/completions", "{" + kHi + ",\"n\":1}");
  EXPECT_TRUE(engine_.requests().at(0).run_alone);
  EXPECT_EQ(engine_.requests().at(0).fingerprint, codec::request_fingerprint(body));
  EXPECT_FALSE(engine_.requests().at(1).run_alone);
  post("/internal/strikes", codec::encode_strikes({.alone = {}, .refuse = strikes.alone}));
  EXPECT_EQ(post("/v1/chat/completions", body, 422)["error"]["symbol"], "quarantined");
  post("/internal/strikes", codec::encode_strikes({}));
  post("/v1/chat/completions", body);
}

TEST_F(ServiceTest, EmbeddingsInBothEncodings) {
  json j = post("/v1/embeddings", R"({"input":["x",[65,66]]})");
  ASSERT_EQ(j["data"].size(), 2u);
  EXPECT_EQ(j["data"][1]["embedding"][0], 2.0);
  EXPECT_EQ(j["data"][1]["embedding"][1], 0.5);
  j = post("/v1/embeddings", R"({"input":[65,66],"encoding_format":"base64"})");
  EXPECT_EQ(j["data"][0]["embedding"], "AAAAQAAAAD8=");
  EXPECT_EQ(post("/v1/embeddings", R"({"input":"x","dimensions":3})", 400)["error"]["param"], "dimensions");
  EXPECT_EQ(post("/v1/embeddings", R"({"input":[]})", 400)["error"]["param"], "input");
}

TEST_F(ServiceTest, AnEmbeddingModelDoesNotChat) {
  engine_.plan_.task = domain::ModelTask::embedding;
  EXPECT_EQ(chat("", 400)["error"]["symbol"], "unsupported");
}

TEST_F(ServiceTest, TokensThereAndBack) {
  const json j = post("/tokenize", R"({"prompt":"stop","add_special_tokens":false})");
  EXPECT_EQ(j["count"], j["tokens"].size());
  EXPECT_EQ(j["max_model_len"], 512);
  const json back = post("/detokenize", json{{"tokens", j["tokens"]}}.dump());
  EXPECT_NE(back["prompt"].get<std::string>().find("stop"), std::string::npos);
  EXPECT_GT(post("/tokenize", "{" + kHi + "}")["count"], 5);
  EXPECT_EQ(post("/detokenize", R"({"tokens":[-1]})", 400)["error"]["param"], "tokens");
}

TEST_F(ServiceTest, HealthMetricsAndModels) {
  chat("");
  EXPECT_EQ(json::parse(call("GET", "/health", "").body)["status"], "ok");
  EXPECT_EQ(json::parse(call("GET", "/v1/models", "").body)["data"][0]["id"], "tiny");
  const std::string metrics = call("GET", "/metrics", "").body;
  EXPECT_NE(metrics.find("vllm:generation_tokens_total"), std::string::npos);
  EXPECT_NE(metrics.find("llm_requests_finished_total{"), std::string::npos);
  EXPECT_EQ(call("GET", "/nothing", "").status, 404);
  EXPECT_EQ(call("GET", "/v1/completions", "").status, 405);
}

TEST_F(ServiceTest, ADrainingReplicaRefuses) {
  served_->post_to_loop([this] { served_->service->refuse_new(); });
  EXPECT_EQ(chat("", 503)["error"]["symbol"], "draining");
  EXPECT_EQ(call("GET", "/health", "").status, 503);
}

}  // namespace
}  // namespace slipway::worker
