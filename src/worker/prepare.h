// A request body to what the engine takes: checked fields, rendered template, token ids. Runs on the
// preparing threads, so that neither the HTTP loop nor the engine's loop waits for a long prompt. Everything
// it reads is immutable. Failure: bad_json, bad_request, unsupported, bad_schema, each with `param` where a
// field is at fault.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/chat.h"
#include "engine/engine.h"
#include "engine/vocabulary.h"
#include "worker/request_params.h"

namespace slipway::worker {

struct Prepared {
  Operation operation = Operation::chat;
  RequestParams params;                             // sampling complete, stops with the template's own
  std::vector<std::vector<engine::Token>> prompts;  // one for chat, one a prompt for completions
  std::vector<engine::Token>
      shown_specials;             // control tokens whose text belongs to the answer (tool markers)
  engine::RenderedChat rendered;  // chat: for the parser
};

base::Result<Prepared> prepare_chat(const engine::Vocabulary& vocabulary, const engine::ChatFormat& format,
                                    std::string_view body);
base::Result<Prepared> prepare_completion(const engine::Vocabulary& vocabulary, std::string_view body);

struct EmbeddingInputs {
  std::vector<std::vector<engine::Token>> inputs;
  bool base64 = false;
};
inline constexpr std::size_t kMaxEmbeddingInputs = 2048;  // OpenAI's limit
base::Result<EmbeddingInputs> prepare_embeddings(const engine::Vocabulary& vocabulary, std::string_view body);

// A string, a list of strings, a list of token ids or a list of such lists, as `prompt` and `input` take
// them.
base::Result<std::vector<std::vector<engine::Token>>> read_prompts(const engine::Vocabulary& vocabulary,
                                                                   const nlohmann::json& value,
                                                                   const char* name, std::size_t limit);

}  // namespace slipway::worker
