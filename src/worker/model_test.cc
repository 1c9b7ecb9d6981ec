// The service on the real engine and a real, small model: what a fake engine cannot show. SLIPWAY_TEST_MODEL
// names SmolLM2-135M-Instruct as GGUF (else ~/.cache/slipway-tests/model/); without it these tests skip and
// say so.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>

#include "engine/chat.h"
#include "engine/engine.h"
#include "io/process.h"
#include "worker/service.h"
#include "worker/service_fixture.h"
#include "worker/worker_metrics.h"

namespace slipway::worker {
namespace {

using nlohmann::json;
using testing::content_of;

std::string model_path() {
  const char* given = std::getenv("SLIPWAY_TEST_MODEL");
  if (given != nullptr) return std::filesystem::exists(given) ? given : "";
  const char* home = std::getenv("HOME");
  const std::string cached = std::string(home == nullptr ? "" : home) +
                             "/.cache/slipway-tests/model/SmolLM2-135M-Instruct.Q4_1.gguf";
  return std::filesystem::exists(cached) ? cached : "";
}

struct Loaded {
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<engine::ChatFormat> format;
  std::optional<testing::ServedService> served;
};

class ModelTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string path = model_path();
    if (path.empty()) return;
    domain::LoadPlan plan;
    plan.path = path;
    plan.model_id = "smollm2-135m";
    plan.context_tokens = 512;
    plan.parallel = 4;
    plan.kv_tokens = 2048;
    plan.threads = 1;
    engine::LoadHooks hooks;
    watch_steps(steps_, plan.model_id, hooks);
    auto engine = engine::Engine::load(plan, hooks);
    ASSERT_TRUE(engine) << engine.error().to_string();
    loaded_ = new Loaded;
    loaded_->engine = *std::move(engine);
    loaded_->format = std::make_unique<engine::ChatFormat>(loaded_->engine->vocabulary().model());
    loaded_->served.emplace();
    loaded_->served->serve(*loaded_->engine, *loaded_->format);
  }
  static void TearDownTestSuite() {
    if (loaded_ == nullptr) return;
    loaded_->engine->drain(base::Deadline::after(std::chrono::seconds(10)));
    loaded_->served.reset();
    delete loaded_;
    loaded_ = nullptr;
  }
  void SetUp() override {
    if (loaded_ == nullptr)
      GTEST_SKIP() << "no model: set SLIPWAY_TEST_MODEL to SmolLM2-135M-Instruct.Q4_1.gguf";
  }

  static std::string body(const std::string& prompt, const std::string& rest) {
    return R"({"messages":[{"role":"user","content":)" + json(prompt).dump() + "}]" +
           (rest.empty() ? "" : "," + rest) + "}";
  }
  static json chat(const std::string& prompt, const std::string& rest, int status = 200) {
    return loaded_->served->post("/v1/chat/completions", body(prompt, rest), status);
  }
  static std::string content(const json& answer) { return answer["choices"][0]["message"]["content"]; }

  static inline telemetry::Registry steps_;
  static inline Loaded* loaded_ = nullptr;
};

TEST_F(ModelTest, EveryStepAndEveryGapBetweenTokensIsMeasured) {
  const auto count = [](telemetry::Metric metric) {
    const auto counts = steps_.histogram(metric, {"smollm2-135m"}).counts();
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  };
  using telemetry::Metric;
  const std::uint64_t steps = count(Metric::step_seconds), gaps = count(Metric::inter_token_latency);
  const json answer = chat("Count to ten.", R"("temperature":0,"max_tokens":8,"ignore_eos":true)");
  ASSERT_EQ(answer["usage"]["completion_tokens"], 8);
  EXPECT_EQ(count(Metric::inter_token_latency) - gaps, 7u);
  EXPECT_GE(count(Metric::step_seconds) - steps, 7u);  // the last one is counted after its token is out
}

TEST_F(ModelTest, AStreamSaysTheSameAsAWholeAnswer) {
  const std::string rest = R"("temperature":0,"max_tokens":40)";
  const json whole = chat("Name three colours.", rest);
  EXPECT_FALSE(content(whole).empty());
  const auto stream =
      loaded_->served->events("/v1/chat/completions", body("Name three colours.", rest + ",\"stream\":true"));
  EXPECT_EQ(content_of(stream), content(whole));
  EXPECT_EQ(stream.back(), "[DONE]");
}

TEST_F(ModelTest, ARequiredToolCallHasTheToolsShape) {
  const json answer = chat(
      "What is the weather in Oslo?",
      R"("temperature":0,"max_tokens":120,"tool_choice":"required","parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather of a city","parameters":{"type":"object","properties":{"city":{"type":"string","maxLength":12},"unit":{"enum":["C","F"]}},"required":["city","unit"],"additionalProperties":false}}}])");
  ASSERT_EQ(answer["choices"][0]["finish_reason"], "tool_calls") << answer.dump(2);
  const json& call = answer["choices"][0]["message"]["tool_calls"][0];
  EXPECT_EQ(call["function"]["name"], "get_weather");
  const json arguments = json::parse(call["function"]["arguments"].get<std::string>());
  EXPECT_TRUE(arguments["city"].is_string()) << arguments;
  EXPECT_TRUE(arguments["unit"] == "C" || arguments["unit"] == "F") << arguments;
}

TEST_F(ModelTest, AJsonSchemaIsObeyedAtAnyTemperature) {
  for (int seed = 0; seed < 4; ++seed) {
    const json answer = chat(
        "Describe a dog.",
        R"("temperature":1.5,"max_tokens":200,"seed":)" + std::to_string(seed) +
            R"(,"response_format":{"type":"json_schema","json_schema":{"name":"pet","strict":true,"schema":{"type":"object","properties":{"name":{"type":"string","maxLength":16},"legs":{"type":"integer","minimum":1,"maximum":4},"kind":{"enum":["dog","cat"]}},"required":["name","legs","kind"],"additionalProperties":false}}})");
    const json pet = json::parse(content(answer), nullptr, false);
    ASSERT_TRUE(pet.is_object()) << content(answer);
    EXPECT_EQ(pet.size(), 3u);
    EXPECT_LE(pet["name"].get<std::string>().size(), 64u);
    EXPECT_GE(pet["legs"], 1);
    EXPECT_LE(pet["legs"], 4);
    EXPECT_TRUE(pet["kind"] == "dog" || pet["kind"] == "cat");
  }
}

TEST_F(ModelTest, GreedyLogprobsNameTheChosenTokenFirst) {
  const json answer =
      chat("Say hello.", R"("temperature":0,"max_tokens":8,"logprobs":true,"top_logprobs":3)");
  const json& entries = answer["choices"][0]["logprobs"]["content"];
  ASSERT_FALSE(entries.empty());
  std::string text;
  for (const json& entry : entries) {
    text += entry["token"];
    EXPECT_LE(entry["logprob"], 0.0);
    ASSERT_EQ(entry["top_logprobs"].size(), 3u);
    EXPECT_EQ(entry["top_logprobs"][0]["token"], entry["token"]);
    EXPECT_NEAR(entry["top_logprobs"][0]["logprob"].get<double>(), entry["logprob"].get<double>(), 1e-4);
    EXPECT_GE(entry["top_logprobs"][0]["logprob"], entry["top_logprobs"][1]["logprob"]);
  }
  EXPECT_EQ(text, content(answer));
}

TEST_F(ModelTest, AStopStringCutsTheSameText) {
  const std::string rest = R"("temperature":0,"max_tokens":40)";
  const std::string full = content(chat("Tell me about the sea.", rest));
  ASSERT_GT(full.size(), 40u);
  const std::string stop = full.substr(20, 9);
  const json cut = chat("Tell me about the sea.", rest + ",\"stop\":" + json(stop).dump());
  EXPECT_EQ(content(cut), full.substr(0, full.find(stop)));
  EXPECT_EQ(cut["choices"][0]["finish_reason"], "stop");
}

TEST_F(ModelTest, SeedsRepeatAndChoicesDiffer) {
  const std::string rest = R"("temperature":1.2,"max_tokens":24,"n":2,"seed":7)";
  const json first = chat("Invent a name for a ship.", rest);
  const json second = chat("Invent a name for a ship.", rest);
  ASSERT_EQ(first["choices"].size(), 2u);
  EXPECT_EQ(first["choices"][0]["message"], second["choices"][0]["message"]);
  EXPECT_EQ(first["choices"][1]["message"], second["choices"][1]["message"]);
  EXPECT_NE(first["choices"][0]["message"], first["choices"][1]["message"]);
}

TEST_F(ModelTest, ASecondRequestReportsItsCachedPrefix) {
  std::string prompt = "Read this carefully.";
  for (int i = 0; i < 20; ++i) prompt += " The ship number " + std::to_string(i) + " sails.";
  chat(prompt, R"("temperature":0,"max_tokens":2)");
  const json again = chat(prompt, R"("temperature":0,"max_tokens":2)");
  EXPECT_GT(again["usage"]["prompt_tokens_details"]["cached_tokens"], 50) << again["usage"];
}

TEST_F(ModelTest, APromptBeyondTheContextIs400WithTheCounts) {
  std::string prompt;
  for (int i = 0; i < 600; ++i) prompt += "ship ";
  const json error = chat(prompt, "", 400)["error"];
  EXPECT_EQ(error["symbol"], "context_overflow");
  EXPECT_NE(error["message"].get<std::string>().find("512"), std::string::npos) << error;
}

TEST_F(ModelTest, ALeavingClientFreesItsSequence) {
  const std::string text = body("Count to a thousand.", R"("temperature":0,"stream":true,"ignore_eos":true)");
  for (int i = 0; i < 8;
       ++i)  // twice the sequences there are: they would fill up if leaving did not free them
    loaded_->served->call("POST", "/v1/chat/completions", text, {}, [](std::string_view) { return false; });
  const json after = chat("Say yes.", R"("max_tokens":4)");
  EXPECT_FALSE(after["choices"].empty());
}

TEST_F(ModelTest, ABadGrammarIsRefusedBeforeItRuns) {
  const json error = chat("x", R"("grammar":"root ::= nothing-there")", 400)["error"];
  EXPECT_EQ(error["symbol"], "bad_schema") << error;
}

// llama.cpp's own server as the oracle of prompts. SLIPWAY_LLAMA_SERVER names its program.
TEST_F(ModelTest, PromptsAreThoseOfLlamaServer) {
  const char* program = std::getenv("SLIPWAY_LLAMA_SERVER");
  if (program == nullptr) GTEST_SKIP() << "no oracle: set SLIPWAY_LLAMA_SERVER to llama-server";
  const testing::TestDirectory directory;
  io::Endpoint endpoint;
  endpoint.path = directory.file("oracle.sock");
  auto output = io::make_pipe();
  ASSERT_TRUE(output);
  io::ProcessSpec spec;
  spec.program = program;
  spec.arguments = {"-m", model_path(), "--host", endpoint.path, "-c", "512", "-t", "1", "--no-warmup"};
  spec.stderr_to = &output->second;
  auto process = io::Process::spawn(spec);
  ASSERT_TRUE(process) << process.error().to_string();
  output->second = {};
  std::string log;
  for (char c = 0; log.find("listening on") == std::string::npos && ::read(output->first.get(), &c, 1) == 1;)
    log += c;
  const char* conversations[] = {
      R"([{"role":"user","content":"hi"}])",
      R"([{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}])",
      R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c\n\n  d"}])",
      R"([{"role":"user","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]}])",
      R"([{"role":"developer","content":"rules"},{"role":"user","content":"gr\u00fc\u00df <|im_end|> \ud83d\udea2"}])",
  };
  for (const char* messages : conversations) {
    const std::string text = std::string("{\"messages\":") + messages + "}";
    io::HttpRequest request;
    request.method = "POST";
    request.target = "/apply-template";
    const std::vector<io::Header> headers = {{"content-type", "application/json"}};
    request.headers = headers;
    request.body = text;
    const auto answer = io::http_call(endpoint, request, base::Deadline::after(std::chrono::seconds(30)));
    ASSERT_TRUE(answer) << answer.error().to_string();
    const auto ours = loaded_->format->render(text);
    ASSERT_TRUE(ours) << ours.error().to_string();
    EXPECT_EQ(ours->prompt, json::parse(answer->body)["prompt"].get<std::string>()) << messages;
  }
}

}  // namespace
}  // namespace slipway::worker
