#include "worker/request_params.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/schema_check.h"

namespace slipway::worker {

using base::Error, base::ErrorCode, base::Result;
using nlohmann::json;

Error bad_field(std::string_view name, std::string_view why) {
  return Error(ErrorCode::bad_request, fmt::format("`{}` {}", name, why)).with_param(std::string(name));
}

Error unsupported_field(std::string_view name, std::string_view why) {
  return Error(ErrorCode::unsupported, fmt::format("`{}` {}", name, why)).with_param(std::string(name));
}

namespace {

// The field, or nullptr when it is absent or null.
const json* field(const json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

// A number of JSON that is whole; 3.0 counts.
bool whole(const json& value, long long& out) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) return false;
  if (value.is_number_integer()) {
    out = value.get<long long>();
    return true;
  }
  if (!value.is_number_float()) return false;
  const double number = value.get<double>();
  if (std::trunc(number) != number || std::abs(number) > 9e15) return false;
  out = static_cast<long long>(number);
  return true;
}

Result<void> read_float(const json& object, const char* name, double low, double high, float& out) {
  SLIPWAY_TRY(const double value, read_number(object, name, low, high, out));
  out = static_cast<float>(value);
  return {};
}

Result<void> read_stops(const json& object, std::vector<std::string>& out) {
  const json* stop = field(object, "stop");
  if (stop == nullptr) return {};
  const json list = stop->is_string() ? json::array({*stop}) : *stop;
  if (!list.is_array()) return bad_field("stop", "must be a string or a list of strings");
  if (list.size() > kMaxStops) return bad_field("stop", fmt::format("has more than {} strings", kMaxStops));
  for (const json& entry : list) {
    if (!entry.is_string()) return bad_field("stop", "must be a string or a list of strings");
    std::string text = entry.get<std::string>();
    if (text.empty() || text.size() > kMaxStopBytes)
      return bad_field("stop",
                       fmt::format("has a string that is empty or longer than {} bytes", kMaxStopBytes));
    out.push_back(std::move(text));
  }
  return {};
}

Result<void> read_logit_bias(const json& object, int vocabulary_size, engine::Sampling& out) {
  const json* bias = field(object, "logit_bias");
  if (bias == nullptr) return {};
  if (!bias->is_object()) return bad_field("logit_bias", "must be an object of token ids and numbers");
  if (bias->size() > kMaxLogitBias)
    return bad_field("logit_bias", fmt::format("has more than {} tokens", kMaxLogitBias));
  for (const auto& [key, value] : bias->items()) {
    int token = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token < 0 || token >= vocabulary_size)
      return bad_field("logit_bias", fmt::format("names '{}', which is no token id below {}",
                                                 key.substr(0, 32), vocabulary_size));
    if (!value.is_number() || std::abs(value.get<double>()) > 100)
      return bad_field("logit_bias", "must have numbers from -100 to 100");
    out.logit_bias.emplace_back(token, value.get<float>());
  }
  return {};
}

Result<void> read_chat_logprobs(const json& object, RequestParams& out) {
  SLIPWAY_TRY(out.logprobs, read_bool(object, "logprobs", false));
  SLIPWAY_TRY(const long long top, read_integer(object, "top_logprobs", 0, kMaxTopLogprobs, -1));
  if (top >= 0 && !out.logprobs) return bad_field("top_logprobs", "needs `logprobs` to be true");
  if (out.logprobs) out.sampling.top_logprobs = static_cast<int>(std::max(top, 0LL));
  return {};
}

Result<void> read_text_logprobs(const json& object, RequestParams& out) {
  SLIPWAY_TRY(const long long top, read_integer(object, "logprobs", 0, kMaxTopLogprobs, -1));
  out.logprobs = top >= 0;
  out.sampling.top_logprobs = static_cast<int>(top);
  return {};
}

Result<void> read_sampling(const json& object, int vocabulary_size, engine::Sampling& out) {
  SLIPWAY_RETURN_IF_ERROR(read_float(object, "temperature", 0, 2, out.temperature));
  SLIPWAY_RETURN_IF_ERROR(read_float(object, "top_p", 0, 1, out.top_p));
  SLIPWAY_RETURN_IF_ERROR(read_float(object, "min_p", 0, 1, out.min_p));
  SLIPWAY_RETURN_IF_ERROR(read_float(object, "presence_penalty", -2, 2, out.presence_penalty));
  SLIPWAY_RETURN_IF_ERROR(read_float(object, "frequency_penalty", -2, 2, out.frequency_penalty));
  // llama.cpp's name and vLLM's.
  SLIPWAY_RETURN_IF_ERROR(read_float(object, "repeat_penalty", 0.01, 2, out.repeat_penalty));
  SLIPWAY_RETURN_IF_ERROR(read_float(object, "repetition_penalty", 0.01, 2, out.repeat_penalty));
  SLIPWAY_TRY(const long long top_k, read_integer(object, "top_k", -1, 1'000'000, out.top_k));
  out.top_k = static_cast<int>(std::max(top_k, 0LL));
  SLIPWAY_TRY(const long long seed, read_integer(object, "seed", INT64_MIN, INT64_MAX, -1));
  if (field(object, "seed") != nullptr) out.seed = static_cast<std::uint32_t>(seed);
  SLIPWAY_TRY(out.ignore_eos, read_bool(object, "ignore_eos", false));
  return read_logit_bias(object, vocabulary_size, out);
}

Result<void> read_lengths(Operation operation, const json& object, RequestParams& out) {
  SLIPWAY_TRY(const long long old_name, read_integer(object, "max_tokens", 1, INT32_MAX, 0));
  SLIPWAY_TRY(const long long new_name, read_integer(object, "max_completion_tokens", 1, INT32_MAX, 0));
  out.max_tokens = static_cast<int>(new_name > 0 ? new_name : old_name);
  if (operation == Operation::completion && out.max_tokens == 0) out.max_tokens = 16;  // OpenAI's default
  SLIPWAY_TRY(const long long n, read_integer(object, "n", 1, kMaxChoices, 1));
  out.n = static_cast<int>(n);
  return {};
}

Result<void> read_stream(const json& object, RequestParams& out) {
  SLIPWAY_TRY(out.stream, read_bool(object, "stream", false));
  const json* options = field(object, "stream_options");
  if (options == nullptr) return {};
  if (!options->is_object()) return bad_field("stream_options", "must be an object");
  SLIPWAY_TRY(out.include_usage, read_bool(*options, "include_usage", false));
  return {};
}

// Fields that change the answer and that this server does not do. An empty or neutral value is no wish.
Result<void> refuse_unsupported(Operation operation, const json& object) {
  static constexpr const char* kNever[] = {
      "functions",    "function_call", "audio",          "web_search_options", "guided_json",
      "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "prompt_logprobs"};
  for (const char* name : kNever)
    if (field(object, name) != nullptr)
      return unsupported_field(
          name, "is not supported; for tools use `tools`, for output formats `response_format`");
  if (const json* modalities = field(object, "modalities");
      modalities != nullptr && *modalities != json::array({"text"}))
    return unsupported_field("modalities", "may only be [\"text\"]");
  if (operation == Operation::chat) return {};
  SLIPWAY_TRY(const bool echo, read_bool(object, "echo", false));
  if (echo)
    return unsupported_field("echo", "is not supported; put the prompt in front of the answer yourself");
  SLIPWAY_TRY(const std::string suffix, read_string(object, "suffix"));
  if (!suffix.empty()) return unsupported_field("suffix", "is not supported");
  SLIPWAY_TRY(const long long n, read_integer(object, "n", 1, kMaxChoices, 1));
  SLIPWAY_TRY(const long long best_of, read_integer(object, "best_of", 1, 1000, n));
  if (best_of != n) return unsupported_field("best_of", "must equal `n`");
  return {};
}

}  // namespace

Result<json> parse_body(std::string_view body) {
  if (!engine::depth_within(body, kMaxJsonDepth))
    return Error(ErrorCode::bad_json, fmt::format("the body nests deeper than {} levels", kMaxJsonDepth));
  try {
    json parsed = json::parse(body);
    if (!parsed.is_object()) return Error(ErrorCode::bad_request, "the body must be a JSON object");
    return parsed;
  } catch (const json::parse_error& e) {
    return Error(ErrorCode::bad_json, fmt::format("the body is not JSON at byte {}", e.byte));
  }
}

Result<bool> read_bool(const json& object, const char* name, bool otherwise) {
  const json* value = field(object, name);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) return bad_field(name, "must be true or false");
  return value->get<bool>();
}

Result<long long> read_integer(const json& object, const char* name, long long low, long long high,
                               long long otherwise) {
  const json* value = field(object, name);
  if (value == nullptr) return otherwise;
  long long number = 0;
  if (!whole(*value, number)) return bad_field(name, "must be a whole number");
  if (number < low || number > high) return bad_field(name, fmt::format("must be from {} to {}", low, high));
  return number;
}

Result<double> read_number(const json& object, const char* name, double low, double high, double otherwise) {
  const json* value = field(object, name);
  if (value == nullptr) return otherwise;
  if (!value->is_number()) return bad_field(name, "must be a number");
  const double number = value->get<double>();
  if (!(number >= low && number <= high))
    return bad_field(name, fmt::format("must be from {} to {}", low, high));
  return number;
}

Result<std::string> read_string(const json& object, const char* name) {
  const json* value = field(object, name);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return bad_field(name, "must be a string");
  return value->get<std::string>();
}

Result<RequestParams> parse_params(Operation operation, const json& object, int vocabulary_size) {
  RequestParams out;
  SLIPWAY_RETURN_IF_ERROR(refuse_unsupported(operation, object));
  SLIPWAY_RETURN_IF_ERROR(read_stream(object, out));
  SLIPWAY_RETURN_IF_ERROR(read_lengths(operation, object, out));
  SLIPWAY_RETURN_IF_ERROR(read_stops(object, out.stops));
  SLIPWAY_RETURN_IF_ERROR(read_sampling(object, vocabulary_size, out.sampling));
  if (operation == Operation::chat) {
    SLIPWAY_RETURN_IF_ERROR(read_chat_logprobs(object, out));
  } else {
    SLIPWAY_RETURN_IF_ERROR(read_text_logprobs(object, out));
  }
  return out;
}

}  // namespace slipway::worker
