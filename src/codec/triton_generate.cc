#include "codec/triton_generate.h"

#include <array>

#include "codec/json_view.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;

// Sampling parameters that vLLM calls as OpenAI does.
constexpr auto kSampling = std::to_array<const char*>(
    {"max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop", "presence_penalty",
     "frequency_penalty", "repetition_penalty", "min_tokens", "ignore_eos"});

Error cannot(const char* field, const char* why) {
  return Error(ErrorCode::bad_request, std::string("`") + field + "` " + why).with_param(field);
}

// The backend's word for a reason; empty while it has none.
std::string finish_reason(const Json& answer) {
  const std::string reason = text(answer, "finish_reason");
  return reason == "None" ? std::string() : reason;
}

Json choice(const Json& answer) {
  const std::string reason = finish_reason(answer);
  return {{"index", 0},
          {"text", text(answer, "text_output")},
          {"logprobs", nullptr},
          {"finish_reason", reason.empty() ? Json() : Json(reason)}};
}

std::string error_body(std::string_view message, int status) {
  const char* const type = status >= 500 ? "server_error" : "invalid_request_error";
  return Json{{"error", {{"message", message}, {"type", type}, {"param", nullptr}, {"code", nullptr}}}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<TritonCall> TritonCall::make(std::string_view openai_body, std::string_view id, std::int64_t created) {
  const auto request = parse_json(openai_body);
  if (!request) return Error(ErrorCode::bad_json, "the body is not valid JSON");
  if (!field(*request, "prompt").is_string())
    return cannot("prompt", "must be one text for this model's server");
  if (number(*request, "n", 1) != 1) return cannot("n", "must be 1 for this model's server");
  if (truth(*request, "echo")) return cannot("echo", "is not possible with this model's server");
  if (!field(*request, "logprobs").is_null())
    return cannot("logprobs", "is not possible with this model's server");
  Json sampling = Json::object();
  for (const char* name : kSampling)
    if (const Json& value = field(*request, name); !value.is_null()) sampling[name] = value;
  TritonCall out;
  out.id_ = id;
  out.created_ = created;
  out.model_ = text(*request, "model");
  const bool stream = truth(*request, "stream");
  out.target_ = "/v2/models/" + out.model_ + (stream ? "/generate_stream" : "/generate");
  out.body_ = Json{{"text_input", text(*request, "prompt")}, {"stream", stream},
                   {"sampling_parameters", sampling.dump()}, {"exclude_input_in_output", true},
                   {"return_finish_reason", true},           {"return_num_input_tokens", true},
                   {"return_num_output_tokens", true}}
                  .dump();
  return out;
}

std::string TritonCall::usage() const {
  return Json{{"prompt_tokens", prompt_tokens_},
              {"completion_tokens", completion_tokens_},
              {"total_tokens", prompt_tokens_ + completion_tokens_}}
      .dump();
}

std::string TritonCall::answer(int status, std::string_view triton_body) {
  const auto said = parse_json(triton_body);
  if (!said || !said->is_object()) return std::string(triton_body);  // the caller finds that it is no answer
  if (status != 200) return error_body(text(*said, "error"), status);
  prompt_tokens_ = static_cast<std::uint64_t>(number(*said, "num_input_tokens"));
  completion_tokens_ = static_cast<std::uint64_t>(number(*said, "num_output_tokens"));
  return Json{{"id", id_},
              {"object", "text_completion"},
              {"created", created_},
              {"model", model_},
              {"choices", Json::array({choice(*said)})},
              {"usage", Json::parse(usage())}}
      .dump();
}

std::string TritonCall::event_of(std::string_view data) {
  const auto said = parse_json(data);
  if (!said || !said->is_object()) {
    failed_ = true;
    return "event: error\ndata: " + error_body("the server sent an event that is no object", 502) + "\n\n";
  }
  if (said->contains("error")) {
    failed_ = true;
    return "event: error\ndata: " + error_body(text(*said, "error"), 500) + "\n\n";
  }
  prompt_tokens_ = std::max(prompt_tokens_, static_cast<std::uint64_t>(number(*said, "num_input_tokens")));
  completion_tokens_ += static_cast<std::uint64_t>(number(*said, "num_output_tokens"));
  finished_ = finished_ || !finish_reason(*said).empty();
  return "data: " +
         Json{{"id", id_},
              {"object", "text_completion"},
              {"created", created_},
              {"model", model_},
              {"choices", Json::array({choice(*said)})}}
             .dump() +
         "\n\n";
}

std::string TritonCall::feed(std::string_view piece) {
  held_ += piece;
  std::string out;
  std::size_t begin = 0;
  for (std::size_t end = held_.find('\n'); end != std::string::npos; end = held_.find('\n', begin)) {
    std::string_view line = std::string_view(held_).substr(begin, end - begin);
    begin = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    constexpr std::string_view kData = "data:";
    if (failed_ || !line.starts_with(kData)) continue;
    line.remove_prefix(kData.size());
    out += event_of(line);
  }
  held_.erase(0, begin);
  return out;
}

std::string TritonCall::finish() const {
  if (!finished_ || failed_) return {};
  return "data: " +
         Json{{"id", id_},       {"object", "text_completion"}, {"created", created_},
              {"model", model_}, {"choices", Json::array()},    {"usage", Json::parse(usage())}}
             .dump() +
         "\n\ndata: [DONE]\n\n";
}

}  // namespace slipway::codec
