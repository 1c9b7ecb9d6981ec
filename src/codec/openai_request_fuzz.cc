// Any body: no crash; what is accepted serialises to JSON that another parser reads, with each top-level key
// once, the replica's model, and include_usage for streams; and parses again to the same request.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "codec/openai_request.h"

namespace {

using slipway::codec::OpenAiCall;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(OpenAiCall call, std::string_view body) {
  static slipway::codec::RequestReader reader;
  const slipway::codec::JsonLimits limits{.max_bytes = 1 << 16, .max_depth = 20};
  const auto request = reader.parse(call, body, limits);
  if (!request) return;
  std::string sent;
  reader.serialize("replica", sent);
  std::multiset<std::string> keys;
  const auto callback = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& j) {
    if (event == nlohmann::json::parse_event_t::key && depth == 1) keys.insert(j.get<std::string>());
    return true;
  };
  const auto j = nlohmann::json::parse(sent, callback, false);
  require(j.is_object() && j["model"] == "replica");
  for (const std::string& key : keys) require(keys.count(key) == 1);
  if (request->stream) require(j["stream_options"]["include_usage"] == true);
  const auto again = reader.parse(call, sent, {.max_bytes = 1 << 17, .max_depth = 20, .max_keys = 130});
  require(again && again->prompt_hash == request->prompt_hash && again->stream == request->stream &&
          again->max_tokens == request->max_tokens && again->n == request->n);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const OpenAiCall call : {OpenAiCall::chat, OpenAiCall::completion, OpenAiCall::tokenize})
    check(call, body);
  return 0;
}
