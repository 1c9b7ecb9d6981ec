#include "codec/first_request.h"

#include <gmock/gmock.h>

#include "codec/json_view.h"

namespace slipway::codec {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> targets(std::string_view framework) {
  std::vector<std::string> out;
  for (const FirstRequest& r : first_requests(framework, "m")) out.push_back(r.method + " " + r.target);
  return out;
}

TEST(FirstRequest, EachServerIsAskedInItsDialect) {
  const auto openai = ElementsAre("POST /v1/chat/completions", "POST /v1/completions", "POST /v1/embeddings");
  for (const char* framework : {"vllm", "llama-cpp", "ray-vllm", "lws-vllm", "aibrix"})
    EXPECT_THAT(targets(framework), openai) << framework;
  EXPECT_THAT(targets("triton-vllm"), ElementsAre("POST /v2/models/m/generate_stream"));
  EXPECT_THAT(targets("diffusers"), ElementsAre("GET /health"));
  EXPECT_THAT(targets("nim-container"), ::testing::Contains("GET /v1/health/ready"));
}

TEST(FirstRequest, OneTokenIsAskedForOfTheModelByItsName) {
  for (const FirstRequest& r : first_requests("vllm", "qwen")) {
    const auto body = parse_json(r.body);
    ASSERT_TRUE(body);
    EXPECT_EQ(text(*body, "model"), "qwen");
    if (r.gives == Gives::token) {
      EXPECT_EQ(number(*body, "max_tokens"), 1);
    }
  }
  EXPECT_THAT(first_requests("triton-vllm", "m").front().body, HasSubstr("max_tokens"));
}

TEST(FirstRequest, OnlyARefusalOfTheCallLeadsToTheNext) {
  for (const int status : {400, 404, 501}) EXPECT_TRUE(refuses_the_call(status));
  for (const int status : {200, 401, 429, 500, 503}) EXPECT_FALSE(refuses_the_call(status));
}

bool comes(const FirstRequest& request, std::initializer_list<std::string_view> pieces) {
  FirstAnswerReader answer(request);
  bool came = false;
  for (const std::string_view piece : pieces) {
    EXPECT_FALSE(came) << "it was there before: " << piece;
    const auto now = answer.feed(piece);
    EXPECT_TRUE(now) << now.error().to_string();
    came = now && *now;
  }
  return came;
}

TEST(FirstAnswerReader, AFirstTokenIsTextAndNotTheHeadOfTheStream) {
  const FirstRequest chat = first_requests("vllm", "m")[0];
  const char* const role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
  EXPECT_FALSE(comes(chat, {": keep-alive\n\n", role}));
  EXPECT_TRUE(comes(chat, {role, "data: {\"choices\":[{\"delta\":{\"con", "tent\":\"A\"}}]}\n\n"}));
}

TEST(FirstAnswerReader, ATokenWithoutTextCountsAtTheEndOfTheStream) {
  const FirstRequest chat = first_requests("vllm", "m")[0];
  EXPECT_TRUE(
      comes(chat, {"data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"length\"}]}\n\n",
                   "data: [DONE]\n\n"}));
  EXPECT_FALSE(comes(chat, {"data: [DONE]\n\n"}));
}

TEST(FirstAnswerReader, AnErrorInTheStreamIsNoAnswer) {
  FirstAnswerReader answer(first_requests("vllm", "m")[0]);
  const auto failed = answer.feed("data: {\"error\":{\"message\":\"the engine died\"}}\n\n");
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().to_string(), HasSubstr("the engine died"));
}

TEST(FirstAnswerReader, TritonsEventsAreTranslated) {
  const FirstRequest triton = first_requests("triton-vllm", "m")[0];
  EXPECT_TRUE(comes(triton, {"data: {\"model_name\":\"m\",", "\"text_output\":\" there\"}\n\n"}));
  FirstAnswerReader answer(triton);
  EXPECT_FALSE(answer.feed("data: {\"error\":\"out of memory\"}\n\n"));
}

TEST(FirstAnswerReader, AnEmbeddingIsThereWhenItsBodyIsWhole) {
  const FirstRequest embedding = first_requests("vllm", "m")[2];
  EXPECT_TRUE(comes(embedding, {"{\"data\":[{\"embedding\":[0.1,", "0.2]}]}"}));
  EXPECT_FALSE(comes(embedding, {"{\"data\":[]}"}));
}

}  // namespace
}  // namespace slipway::codec
