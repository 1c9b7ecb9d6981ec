#include "engine/vocabulary.h"

#include <llama.h>

#include "base/check.h"

namespace slipway::engine {
namespace {

std::string token_bytes(const llama_vocab* vocab, Token token, bool special) {
  std::string text(32, '\0');
  int n = llama_token_to_piece(vocab, token, text.data(), static_cast<int>(text.size()), 0, special);
  if (n < 0) {
    text.resize(static_cast<std::size_t>(-n));
    n = llama_token_to_piece(vocab, token, text.data(), -n, 0, special);
  }
  SLIPWAY_CHECK(n >= 0);
  text.resize(static_cast<std::size_t>(n));
  return text;
}

}  // namespace

Vocabulary::Vocabulary(const llama_model* model) : model_(model), vocab_(llama_model_get_vocab(model)) {
  const int n = llama_vocab_n_tokens(vocab_);
  pieces_.reserve(static_cast<std::size_t>(n));
  special_pieces_.reserve(static_cast<std::size_t>(n));
  for (Token t = 0; t < n; ++t) {
    pieces_.push_back(token_bytes(vocab_, t, false));
    special_pieces_.push_back(token_bytes(vocab_, t, true));
  }
}

std::vector<Token> Vocabulary::tokenize(std::string_view text, bool add_bos, bool special) const {
  // A token is at least one byte, except for the ones the tokenizer adds around the text.
  std::vector<Token> tokens(text.size() + 4);
  const auto run = [&] {
    return llama_tokenize(vocab_, text.data(), static_cast<std::int32_t>(text.size()), tokens.data(),
                          static_cast<std::int32_t>(tokens.size()), add_bos, special);
  };
  std::int32_t n = run();
  if (n < 0) {
    SLIPWAY_CHECK(n != INT32_MIN);
    tokens.resize(static_cast<std::size_t>(-n));
    n = run();
  }
  SLIPWAY_CHECK(n >= 0);
  tokens.resize(static_cast<std::size_t>(n));
  return tokens;
}

std::string_view Vocabulary::piece(Token token, bool special) const {
  if (token < 0 || token >= size()) return {};
  return (special ? special_pieces_ : pieces_)[static_cast<std::size_t>(token)];
}

bool Vocabulary::is_end(Token token) const {
  return llama_vocab_is_eog(vocab_, token);
}
bool Vocabulary::is_control(Token token) const {
  return llama_vocab_is_control(vocab_, token);
}
int Vocabulary::size() const {
  return static_cast<int>(pieces_.size());
}

}  // namespace slipway::engine
