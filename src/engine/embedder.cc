#include "engine/embedder.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <cmath>

namespace slipway::engine {
namespace {

// llama.cpp keeps a row of logits for every token of an embedding step; small steps keep that small.
constexpr int kChunk = 64;

void normalise(std::vector<float>& v) {
  double sum = 0;
  for (float x : v) sum += double{x} * x;
  const double length = std::sqrt(sum);
  if (length > 0)
    for (float& x : v) x = static_cast<float>(x / length);
}

base::Error no_embedding() {
  return base::Error(base::ErrorCode::unsupported, "this model gives no embedding")
      .with_next("Deploy an embedding model.");
}

}  // namespace

int Embedder::max_tokens() const {
  return pooled_ ? std::min(kMaxTokens, loaded_.context_tokens) : loaded_.context_tokens;
}

base::Result<void> Embedder::prepare() {
  if (context_) return {};
  SLIPWAY_TRY(context_, make_embedding_context(loaded_, pooled_ ? max_tokens() : kChunk, pooled_));
  if (llama_pooling_type(context_.get()) == LLAMA_POOLING_TYPE_NONE) pooled_ = false;
  return {};
}

base::Result<std::vector<float>> Embedder::embed(std::span<const Token> tokens) {
  if (tokens.empty())
    return base::Error(base::ErrorCode::bad_request, "an input is empty").with_param("input");
  if (static_cast<int>(tokens.size()) > max_tokens())
    return base::Error(base::ErrorCode::context_overflow,
                       fmt::format("an input has {} tokens, the model takes {}", tokens.size(), max_tokens()))
        .with_param("input");
  SLIPWAY_RETURN_IF_ERROR(prepare());
  if (llama_memory_t memory = llama_get_memory(context_.get())) llama_memory_clear(memory, false);
  SLIPWAY_TRY(std::vector<float> v, pooled_ ? pooled(tokens) : mean(tokens));
  if (!std::ranges::all_of(v, [](float x) { return std::isfinite(x); }))
    return base::Error(base::ErrorCode::internal, "the model's embedding of this input is not a number");
  normalise(v);
  return v;
}

base::Result<void> Embedder::decode(std::span<const Token> tokens, int position) {
  llama_batch batch = llama_batch_init(static_cast<int>(tokens.size()), 0, 1);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch.token[i] = tokens[i];
    batch.pos[i] = position + static_cast<int>(i);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  batch.n_tokens = static_cast<int>(tokens.size());
  const int result = llama_decode(context_.get(), batch);
  llama_batch_free(batch);
  if (result != 0) return base::Error(base::ErrorCode::internal, "llama.cpp failed to compute an embedding");
  return {};
}

base::Result<std::vector<float>> Embedder::pooled(std::span<const Token> tokens) {
  if (llama_pooling_type(context_.get()) == LLAMA_POOLING_TYPE_RANK) return no_embedding();
  SLIPWAY_RETURN_IF_ERROR(decode(tokens, 0));
  const float* row = llama_get_embeddings_seq(context_.get(), 0);
  if (row == nullptr) return no_embedding();
  return std::vector<float>(row, row + llama_model_n_embd_out(loaded_.model.get()));
}

base::Result<std::vector<float>> Embedder::mean(std::span<const Token> tokens) {
  std::vector<float> sum(static_cast<std::size_t>(llama_model_n_embd_out(loaded_.model.get())));
  const std::size_t chunk = std::min<std::size_t>(kChunk, llama_n_batch(context_.get()));
  for (std::size_t done = 0; done < tokens.size(); done += chunk) {
    const auto part = tokens.subspan(done, std::min(chunk, tokens.size() - done));
    SLIPWAY_RETURN_IF_ERROR(decode(part, static_cast<int>(done)));
    for (std::size_t i = 0; i < part.size(); ++i) {
      const float* row = llama_get_embeddings_ith(context_.get(), static_cast<int>(i));
      if (row == nullptr) return no_embedding();
      for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += row[d];
    }
  }
  for (float& x : sum) x /= static_cast<float>(tokens.size());
  return sum;
}

}  // namespace slipway::engine
