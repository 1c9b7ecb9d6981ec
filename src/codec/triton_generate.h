// OpenAI's completions over Triton's generate extension, as its vLLM backend speaks it.
//
// Triton knows no chat: it has no chat template of the model, so only /v1/completions is translated. The
// backend says when it is finished and what it used because we ask for it; a stream without a finish reason
// was cut, and gets no [DONE]. Source:
// https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_generate.html,
// https://github.com/triton-inference-server/vllm_backend
// Threads: one a call. Failure: make() says bad_request for what the extension cannot do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::codec {

class TritonCall {
 public:
  // `openai_body`: as a replica of ours gets it. `id` and `created` (unix seconds) are the answer's.
  static base::Result<TritonCall> make(std::string_view openai_body, std::string_view id,
                                       std::int64_t created);

  const std::string& target() const { return target_; }
  const std::string& body() const { return body_; }

  // A whole answer in OpenAI's shape, a refusal too.
  std::string answer(int status, std::string_view triton_body);
  // The events of a stream, cut anywhere: what can be said so far, as events of OpenAI's.
  std::string feed(std::string_view piece);
  // After the clean end of the stream: the usage and [DONE], or nothing when it was cut.
  std::string finish() const;

 private:
  std::string event_of(std::string_view data);
  std::string usage() const;

  std::string target_, body_;
  std::string id_, model_;
  std::int64_t created_ = 0;
  std::string held_;  // the unfinished line of a stream
  std::uint64_t prompt_tokens_ = 0, completion_tokens_ = 0;
  bool finished_ = false, failed_ = false;
};

}  // namespace slipway::codec
