// Embeddings on a context of their own, made at the first request: pooled by the model where it says how
// (embedding models), else the mean over all tokens. L2-normalised. Threads: the loop thread only. Bounds: an
// embedding model takes at most kMaxTokens (or its context) at once, others their whole context in chunks.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "engine/loaded_model.h"

namespace slipway::engine {

class Embedder {
 public:
  static constexpr int kMaxTokens = 2048;
  Embedder(const LoadedModel& loaded, bool embedding_model) : loaded_(loaded), pooled_(embedding_model) {}
  base::Result<std::vector<float>> embed(std::span<const Token> tokens);
  int max_tokens() const;

 private:
  base::Result<void> prepare();
  base::Result<std::vector<float>> pooled(std::span<const Token> tokens);
  base::Result<std::vector<float>> mean(std::span<const Token> tokens);
  base::Result<void> decode(std::span<const Token> tokens, int position);

  const LoadedModel& loaded_;
  bool pooled_;
  ContextPtr context_;
};

}  // namespace slipway::engine
