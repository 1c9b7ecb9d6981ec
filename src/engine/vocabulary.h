// Text to token ids and back, without the loop thread. Immutable after load, so every method is thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

struct llama_model;
struct llama_vocab;

namespace slipway::engine {

class Vocabulary {
 public:
  explicit Vocabulary(const llama_model* model);
  // `special`: parse control tokens written in the text (templates need it, user text in /tokenize does not).
  std::vector<Token> tokenize(std::string_view text, bool add_bos, bool special) const;
  // The bytes of one token; may be part of a UTF-8 sequence. `special`: render control tokens too.
  std::string_view piece(Token token, bool special = false) const;
  bool is_end(Token token) const;  // end of generation
  bool is_control(Token token) const;
  int size() const;
  const llama_model* model() const { return model_; }

 private:
  const llama_model* model_;
  const llama_vocab* vocab_;
  std::vector<std::string> pieces_;  // every token's bytes, made once
  std::vector<std::string> special_pieces_;
};

}  // namespace slipway::engine
