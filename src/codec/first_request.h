// The smallest requests by which a model shows that it answers, in the dialects of the servers that
// platform/charts/inference runs, and how the answer's first piece is known.
//
// Which of OpenAI's calls a model takes (chat, completions, embeddings) only its server knows: they are tried
// in this order, and a refusal of the call itself leads to the next one. A picture would take minutes: a
// server of pictures is asked for its health. Pure. Threads: one a FirstAnswerReader.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/sse.h"
#include "codec/triton_generate.h"

namespace slipway::codec {

enum class Gives { token, embedding, health };
std::string_view to_string(Gives gives);  // "token", "embedding", "health"

struct FirstRequest {
  Gives gives = Gives::token;
  std::string method = "POST";
  std::string target;  // "/v1/chat/completions"
  std::string body = {};
  std::optional<TritonCall> triton = {};  // translates the answer
};

// `framework` as the label of the pods names it; `served`: what the server calls the model.
std::vector<FirstRequest> first_requests(std::string_view framework, const std::string& served);
// An answer by which a server says that it does not know this call, or not for this model.
bool refuses_the_call(int status);

class FirstAnswerReader {
 public:
  explicit FirstAnswerReader(FirstRequest request) : request_(std::move(request)) {}
  // True once what was asked for has come. Failure: upstream_garbage, or the server's own words of its error.
  base::Result<bool> feed(std::string_view piece);

 private:
  base::Result<bool> feed_stream(std::string_view piece);

  FirstRequest request_;
  SseRelay relay_{true, 1u << 20};
  std::string held_;  // of a body that is no stream; bounded
};

}  // namespace slipway::codec
