// `slipway chat` against a fake gateway.
#include "cli/chat_client.h"

#include "cli/verb_test.h"

namespace slipway::cli {
namespace {

class Chat : public VerbTest {
 protected:
  Chat() : gateway_(domain::Endpoint{.path = "", .host = "127.0.0.1", .port = 0}) {
    Json status = Json::parse(kReady);
    status["gateway"]["url"] = "http://" + io::to_string(gateway_.local());
    on("GET /control/v1/status", status.dump());
    gateway_.on(kCompletions, {.body = deltas() + usage() + "data: [DONE]\n\n", .stream = true});
  }
  static std::string deltas() {
    return R"(data: {"choices":[{"delta":{"role":"assistant","content":""}}]})"
           "\n\n"
           ": keep-alive\n\n"
           R"(data: {"choices":[{"delta":{"content":"A ramp"}}]})"
           "\n\n"
           R"(data: {"choices":[{"delta":{"content":" for ships."},"finish_reason":"stop"}]})"
           "\n\n";
  }
  static std::string usage() {
    return R"(data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":8}}})"
           "\n\n";
  }
  Json last_body() {
    const std::string asked = gateway_.asked().back();
    return Json::parse(asked.substr(asked.find('{')));
  }
  static constexpr const char* kCompletions = "POST /v1/chat/completions";
  FakeServer gateway_;
};

TEST_F(Chat, StreamsTheAnswerToStdoutOnly) {
  const Ran r = ran({"chat", "smollm2-135m", "What is a slipway?", "--system", "Be short.", "--max-tokens",
                     "9", "--temperature", "0"});
  EXPECT_EQ(r.exit_code, 0);
  EXPECT_EQ(r.out, "A ramp for ships.\n");
  EXPECT_EQ(r.err, "");
  const Json body = last_body();
  EXPECT_EQ(body["messages"], (Json{{{"role", "system"}, {"content", "Be short."}},
                                    {{"role", "user"}, {"content", "What is a slipway?"}}}));
  EXPECT_EQ(body["max_tokens"], 9);
  EXPECT_EQ(body["temperature"], 0.0);
  EXPECT_EQ(body["stream"], true);
}

TEST_F(Chat, TheSpeedGoesToStderrWhenAsked) {
  const Ran r = ran({"chat", "Hello there", "-v"});
  EXPECT_NE(r.err.find("7 tokens"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("first token after"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("8 of 12 prompt tokens cached"), std::string::npos) << r.err;
  EXPECT_EQ(r.out, "A ramp for ships.\n");
}

TEST_F(Chat, OneWordIsThePromptUnlessItNamesAModel) {
  ran({"chat", "Hello"});
  EXPECT_EQ(last_body()["messages"][0]["content"], "Hello");
  ran({"chat", "HuggingFaceTB/SmolLM2-135M-Instruct"}, {}, {"from a pipe"});
  EXPECT_EQ(last_body()["messages"][0]["content"], "from a pipe\n");
  EXPECT_EQ(last_body()["model"], "smollm2-135m");
  ran({"chat", "", "Hello again"});
  EXPECT_EQ(last_body()["messages"][0]["content"], "Hello again");
}

TEST_F(Chat, UnknownModels) {
  golden("chat_unknown_model", {"chat", "nothing-of-that-name", "hi"});
  golden("chat_near_model", {"chat", "smollm2-135n"});
}

TEST_F(Chat, NoPromptAtAll) {
  golden("chat_no_prompt", {"chat"});
}

TEST_F(Chat, AsJson) {
  const Ran r = ran({"chat", "Hello there", "-o", "json"});
  const Json answer = Json::parse(r.out);
  EXPECT_EQ(answer["text"], "A ramp for ships.");
  EXPECT_EQ(answer["finish_reason"], "stop");
  EXPECT_EQ(answer["usage"], (Json{{"prompt_tokens", 12}, {"completion_tokens", 7}, {"cached_tokens", 8}}));
  EXPECT_EQ(r.err, "");
}

TEST_F(Chat, TheKeyOfTheEnvironmentIsSentAndARefusalExplained) {
  gateway_.on(
      kCompletions,
      {.status = 401,
       .body =
           R"({"error":{"message":"An API key is required","type":"authentication_error","code":"E2010","symbol":"key_missing","next":"Send a key."}})"});
  golden("chat_key_missing", {"chat", "Hello there"});
}

TEST_F(Chat, AnErrorInTheStreamIsAnErrorOfTheVerb) {
  gateway_.on(
      kCompletions,
      {.body = deltas() +
               "event: error\ndata: {\"error\":{\"code\":\"E2016\",\"message\":\"the replica died\"}}\n\n",
       .stream = true});
  golden("chat_replica_lost", {"chat", "Hello there"});
}

TEST_F(Chat, AStreamWithoutItsEndMarkIsAnError) {
  gateway_.on(kCompletions, {.body = deltas(), .stream = true});
  golden("chat_no_end", {"chat", "Hello there"});
}

TEST_F(Chat, CtrlCStopsTheAnswer) {
  gateway_.on(kCompletions, {.body = deltas(), .stream = true, .hang = true, .then = press_ctrl_c()});
  const Ran r = ran({"chat", "Hello there"});
  EXPECT_EQ(r.exit_code, 130);
  EXPECT_EQ(r.out, "A ramp for ships.\n");
}

TEST_F(Chat, ABaseModelCompletesText) {
  Json status = Json::parse(kReady);
  status["gateway"]["url"] = "http://" + io::to_string(gateway_.local());
  status["models"][0]["task"] = "base";
  on("GET /control/v1/status", status.dump());
  gateway_.on("POST /v1/completions",
              {.body = "data: {\"choices\":[{\"text\":\"and so on\"}]}\n\ndata: [DONE]\n\n", .stream = true});
  EXPECT_EQ(ran({"chat", "Once upon a time"}).out, "and so on\n");
  EXPECT_EQ(last_body()["prompt"], "Once upon a time");
}

TEST_F(Chat, AConversationIsKeptUntilItIsCleared) {
  const Ran r =
      ran({"chat"}, terminal(),
          {"First", "", "Second \\", "part", "/clear", "Third", "/nonsense", "/help", "/exit", "never"});
  EXPECT_EQ(r.exit_code, 0);
  EXPECT_EQ(r.out, "A ramp for ships.\nA ramp for ships.\nA ramp for ships.\n");
  std::vector<std::size_t> turns;
  for (const std::string& asked : gateway_.asked())
    turns.push_back(Json::parse(asked.substr(asked.find('{')))["messages"].size());
  EXPECT_EQ(turns, (std::vector<std::size_t>{1, 3, 1}));
  EXPECT_NE(r.err.find("there is no command /nonsense"), std::string::npos) << r.err;
}

TEST_F(Chat, CtrlCInAConversationStopsTheAnswerNotTheProgram) {
  gateway_.on(kCompletions, {.body = deltas(), .stream = true, .hang = true, .then = press_ctrl_c()});
  const Ran r = ran({"chat"}, terminal(), {"First", "Second"});
  EXPECT_EQ(r.exit_code, 0);
  EXPECT_EQ(gateway_.asked().size(), 2u);
  EXPECT_NE(r.err.find("(stopped)"), std::string::npos) << r.err;
}

TEST_F(Chat, AFailedTurnIsNotRemembered) {
  gateway_.on(
      kCompletions,
      {.status = 400, .body = R"({"error":{"code":"E2007","message":"9000 tokens do not fit 8192"}})"});
  const Ran r = ran({"chat"}, terminal(), {"First", "Second"});
  EXPECT_EQ(last_body()["messages"].size(), 1u);
  EXPECT_NE(r.err.find("E2007"), std::string::npos);
}

TEST_F(Chat, AModelCannotDriveTheTerminal) {
  gateway_.on(kCompletions,
              {.body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\\u001b[2Jb\"}}]}\n\ndata: [DONE]\n\n",
               .stream = true});
  EXPECT_EQ(ran({"chat", "Hello there"}, terminal()).out, "a?[2Jb\n");
}

TEST(EndpointOfUrl, WildcardsBecomeLoopback) {
  EXPECT_EQ(io::to_string(endpoint_of_url("http://0.0.0.0:8000").value()), "127.0.0.1:8000");
  EXPECT_EQ(io::to_string(endpoint_of_url("http://127.0.0.1:8000/v1").value()), "127.0.0.1:8000");
  EXPECT_FALSE(endpoint_of_url("nonsense"));
}

}  // namespace
}  // namespace slipway::cli
