// What a completion request asks for beside its prompt, every field checked: wrong types and ranges are
// bad_request with the field in `param`; what this server cannot do is unsupported, never left out silently.
// Fields that nobody here knows are ignored, as OpenAI does. Pure; runs on the preparing threads.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

namespace slipway::worker {

inline constexpr int kMaxChoices = 16;      // n
inline constexpr int kMaxSubmissions = 64;  // prompts times n
inline constexpr std::size_t kMaxStops = 16;
inline constexpr std::size_t kMaxStopBytes = 1024;
inline constexpr std::size_t kMaxLogitBias = 1024;
inline constexpr int kMaxTopLogprobs = 20;
inline constexpr int kMaxJsonDepth = 64;

struct RequestParams {
  bool stream = false;
  bool include_usage = false;
  int n = 1;
  int max_tokens = 0;  // 0 = to the end of the context
  bool logprobs = false;
  std::vector<std::string> stops;
  engine::Sampling sampling;  // without grammar
};

enum class Operation { chat, completion };

// `json` is an object. `vocabulary_size` bounds logit_bias.
base::Result<RequestParams> parse_params(Operation operation, const nlohmann::json& json,
                                         int vocabulary_size);

// The body as JSON: bad_json with the offset, bad_request when it is not an object or nests too deep.
base::Result<nlohmann::json> parse_body(std::string_view body);

// Readers that name the field when the type is wrong; null counts as absent.
base::Result<bool> read_bool(const nlohmann::json& json, const char* name, bool otherwise);
base::Result<long long> read_integer(const nlohmann::json& json, const char* name, long long low,
                                     long long high, long long otherwise);
base::Result<double> read_number(const nlohmann::json& json, const char* name, double low, double high,
                                 double otherwise);
base::Result<std::string> read_string(const nlohmann::json& json, const char* name);

base::Error bad_field(std::string_view name, std::string_view why);
base::Error unsupported_field(std::string_view name, std::string_view why);

}  // namespace slipway::worker
