#include "codec/first_request.h"

#include <algorithm>
#include <array>

#include "codec/json_view.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr std::size_t kMaxBody = 4u << 20;
constexpr auto kRefusals = std::to_array({400, 404, 405, 422, 501});

Json generation(const std::string& served) {
  return {{"model", served}, {"max_tokens", 1}, {"temperature", 0}, {"stream", true}};
}

FirstRequest chat(const std::string& served) {
  Json body = generation(served);
  body["messages"] = Json::array({{{"role", "user"}, {"content", "Hi"}}});
  return {.gives = Gives::token, .target = "/v1/chat/completions", .body = body.dump()};
}

FirstRequest completion(const std::string& served) {
  Json body = generation(served);
  body["prompt"] = "Hi";
  return {.gives = Gives::token, .target = "/v1/completions", .body = body.dump()};
}

FirstRequest embedding(const std::string& served) {
  return {.gives = Gives::embedding,
          .target = "/v1/embeddings",
          .body = Json{{"model", served}, {"input", "Hi"}}.dump()};
}

FirstRequest health(std::string target) {
  return {.gives = Gives::health, .method = "GET", .target = std::move(target)};
}

FirstRequest triton(const std::string& served) {
  FirstRequest out = completion(served);
  auto call = TritonCall::make(out.body, "first", 0);
  out.target = call->target();
  out.body = call->body();
  out.triton = *std::move(call);
  return out;
}

}  // namespace

std::string_view to_string(Gives gives) {
  switch (gives) {
    case Gives::token:
      return "token";
    case Gives::embedding:
      return "embedding";
    case Gives::health:
      return "health";
  }
  return "";
}

std::vector<FirstRequest> first_requests(std::string_view framework, const std::string& served) {
  if (framework == "triton-vllm") return {triton(served)};
  if (framework == "diffusers") return {health("/health")};
  std::vector<FirstRequest> out = {chat(served), completion(served), embedding(served)};
  if (framework == "nim-container") out.push_back(health("/v1/health/ready"));  // one that makes pictures
  return out;
}

bool refuses_the_call(int status) {
  return std::ranges::find(kRefusals, status) != kRefusals.end();
}

Result<bool> FirstAnswerReader::feed_stream(std::string_view piece) {
  const std::string translated = request_.triton ? request_.triton->feed(piece) : std::string(piece);
  SLIPWAY_TRY([[maybe_unused]] const std::string_view events, relay_.feed(translated));
  if (relay_.error())
    return Error(ErrorCode::upstream_garbage, "the answer is an error")
        .with_detail(std::string(events.substr(0, 500)));
  // A token may have no text; the stream's end mark after events says that one was made.
  return relay_.first_token() || (relay_.done() && relay_.data_events() > 0);
}

Result<bool> FirstAnswerReader::feed(std::string_view piece) {
  if (request_.gives == Gives::health) return true;
  if (request_.gives == Gives::token) return feed_stream(piece);
  held_ += piece;
  if (held_.size() > kMaxBody) return Error(ErrorCode::upstream_garbage, "one embedding has more than 4 MiB");
  const auto body = parse_json(held_);  // nothing while it is not whole
  if (!body) return false;
  const Json& data = list(*body, "data");
  return !data.empty() && !field(data.front(), "embedding").empty();
}

}  // namespace slipway::codec
