// Weights, threads and one decoding context, made from a load plan.
//
// Ownership: everything here; members are destroyed context first. Threads: made on one thread, used on the
// loop thread. Failure: load_failed with llama.cpp's own last words; does_not_fit when the context cannot be
// allocated.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "domain/model.h"
#include "engine/engine.h"

struct ggml_threadpool;
struct llama_context;
struct llama_model;

namespace slipway::engine {

// Prompt tokens of one step when the plan names none: long enough for the matrix kernels, short enough that
// decoding requests wait about a second at most on a slow processor.
inline constexpr int kDefaultBatchTokens = 512;

struct FreeModel {
  void operator()(llama_model* model) const;
};
struct FreeContext {
  void operator()(llama_context* context) const;
};
struct FreePool {
  void operator()(ggml_threadpool* pool) const;
};
using ContextPtr = std::unique_ptr<llama_context, FreeContext>;

struct LoadedModel {
  std::unique_ptr<llama_model, FreeModel> model;
  std::unique_ptr<ggml_threadpool, FreePool> pool;
  std::unique_ptr<std::function<void()>> beat;  // called by the context once a graph node
  ContextPtr context;                           // empty for embedding models: they decode nothing
  std::string device;                           // that computes: "CPU", or a GPU's name and description
  int threads = 1;
  int sequences = 1;       // parallel ones and cached ones
  int batch_tokens = 0;    // of one step
  int context_tokens = 0;  // longest request
  std::int64_t cells = 0;  // unified: of the pool; streams: of each sequence
  bool sliding_window = false;
  bool whole_states_only = false;  // recurrent or hybrid: a state cannot be cut or shared in part
};

base::Result<LoadedModel> load_model(const domain::LoadPlan& plan, const LoadHooks& hooks);

// A second context on the same weights for embeddings: pooling as the model says, else one row a token.
base::Result<ContextPtr> make_embedding_context(const LoadedModel& loaded, int tokens, bool pooled);

// What two workers must agree on before they may exchange KV blocks.
std::string fingerprint(const domain::LoadPlan& plan, const LoadedModel& loaded);

}  // namespace slipway::engine
