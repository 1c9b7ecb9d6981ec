// An Error in OpenAI's shape, with what a program and a person need beside it:
//
//   {"error":{"message":"...","type":"invalid_request_error","param":"stop","code":"E2005","symbol":"bad_request",
//             "request_id":"req_...","next":"...","retryable":false,"retry_after":1.5}}
//
// `code` and `symbol` are the row of base/errors.def; `retry_after` (seconds) is there when waiting helps.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace slipway::codec {

std::string openai_error(const base::Error& error, std::string_view request_id);
// The same as the last event of a stream: "event: error\ndata: {...}\n\n".
std::string openai_error_event(const base::Error& error, std::string_view request_id);
// OpenAI's `type`.
std::string_view openai_error_type(base::ErrorKind kind);
// Whole seconds for a Retry-After header, at least 1.
std::string retry_after_seconds(std::chrono::milliseconds t);

// What a replica said in an error body of this shape; missing members keep their defaults.
struct ReplicaError {
  std::string code;  // "E2014"
  std::string message;
  bool retryable = false;
};
ReplicaError parse_openai_error(std::string_view body);

}  // namespace slipway::codec
