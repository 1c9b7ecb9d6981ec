// What the front door needs to know of an OpenAI request body, and the body it sends on.
//
// Intuition: the whole body is validated once (simdjson's DOM: UTF-8, numbers, escapes, depth), because what
// goes to a replica must mean the same to every parser. The fields that matter here are read from that DOM,
// and a second walk over the top level (simdjson on demand, which only hops over structure) finds each
// field's own bytes, so that the body sent on is put together anew from validated pieces: `model` is the
// replica's name for it, `stream_options.include_usage` is true for streams, and nothing appears twice.
// Repeated top-level keys are refused: two parsers would disagree on them.
//
// Ownership: a RequestReader keeps buffers for the next body; what parse() returns is the caller's. Threads:
// one a reader. Failure: bad_json, bad_request, body_too_large with the field in `param`. Bounds: JsonLimits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/json_limits.h"

namespace slipway::codec {

enum class OpenAiCall { chat, completion, embeddings, images, tokenize, detokenize };

struct OpenAiRequest {
  std::string model;  // as the client wrote it; may be empty for tokenize and detokenize
  bool stream = false;
  bool include_usage = false;               // the client asked for the usage event
  std::optional<std::uint64_t> max_tokens;  // max_completion_tokens, else max_tokens
  std::uint64_t n = 1;
  std::size_t stop_count = 0;
  std::uint64_t prompt_hash =
      0;  // XXH3 of roles and texts; equal prompts hash equal however they are escaped
  std::uint64_t prompt_bytes = 0;  // of those texts
};

class RequestReader {
 public:
  RequestReader();
  ~RequestReader();
  base::Result<OpenAiRequest> parse(OpenAiCall call, std::string_view body, const JsonLimits& limits);
  // Replaces `out` by the last parsed body as a replica gets it. The text given to parse() need not exist any
  // more.
  void serialize(std::string_view model_id, std::string& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What names a request in the crash page and the quarantine: XXH3 of the serialised body. Gateway and worker
// agree on it.
std::uint64_t request_fingerprint(std::string_view serialized_body);

}  // namespace slipway::codec
