// Does a model fit this machine, with which context, how many sequences at once, and in which KV layout?
//
// Arithmetic: need = weights + KV cells x bytes a token + working memory, against free memory less a margin.
// What a person asked for is honoured or refused with the numbers and the largest that fits; what nobody
// asked for is chosen: context min(trained, 8,192), sequences by processors, cells for what requests usually
// hold rather than the worst case (the engine pre-empts when they run out). Layout: in unified KV sharing a
// prefix is free, but every row of a step passes over all cells, its own, the others' and the cached ones; in
// separate streams a row sees only its own cells, and sharing a prefix copies it. Measured on 2 cores with a
// 135M model (bench/run engine, docs/performance.md): unrelated requests are 8 % faster in streams at 4
// sequences, 13 to 44 % at 8; a burst of 32 on one prefix takes 1.4 times a lone prefill in streams and 1.0
// times in unified. So: streams while they take at most kStreamsPercent of the memory, unless prefixes are
// known to be shared.
//
// On a GPU the weights, the KV and the working memory lie in its memory and are weighed against what is free
// there; kMaxParallel sequences are chosen whatever the processors, because one pass over the weights serves
// all of them. The layout is unified: llama.cpp computes streams in one pass only while they are neighbours.
// Measured on an H200 with a model of 8B and room for 32: 32 of 32 streams answer 10 % faster than in unified
// KV, 8 of 32 at 0.6 to 0.9 of its speed, and a burst of 32 on one prefix takes 8.2 times a lone prefill
// instead of 1.3. One alone among 31 finished prompts is a fifth faster in streams: in unified KV it passes
// over their cells.
//
// Pure. Units: bytes, tokens. Failure: does_not_fit with the numbers; parameter_refused for a wish beyond the
// model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/model.h"

namespace slipway::policy {

inline constexpr int kDefaultContext = 8'192;
inline constexpr int kMinContext = 512;     // below this a chat makes no sense: refused instead of chosen
inline constexpr int kContextStep = 256;    // contexts that we choose are multiples of this
inline constexpr int kParallelPerCore = 4;  // decoding is bound by memory: several sequences share one pass
inline constexpr int kMinParallel = 4;
inline constexpr int kMaxParallel = 32;         // chosen; a person may ask for up to kMaxWishedParallel
inline constexpr int kMaxWishedParallel = 128;  // slots + cached prefixes + scratch stay under 256 sequences
inline constexpr std::uint64_t kStreamsPercent = 50;  // of what weights leave: streams are given at most that
inline constexpr int kTypicalRequest = 2'048;         // cells that one request usually holds
inline constexpr std::uint64_t kFreeMarginPercent = 10;    // of free memory, left for everything else
inline constexpr std::uint64_t kProcessBytes = 48u << 20;  // the worker itself: code, tokenizer, buffers
// On a GPU: the driver's context, kernels, cuBLAS and its scratch. Seen: 0.65 GB with a model of 135M.
inline constexpr std::uint64_t kGpuProcessBytes = 1u << 30;

// The model, from its GGUF header (codec/gguf) or, before it is here, from the catalogue.
struct ModelShape {
  std::string name;  // for messages
  domain::ModelTask task = domain::ModelTask::chat;
  std::uint64_t weight_bytes = 0;
  std::uint64_t kv_bytes_per_token = 0;  // f16; 0 = keeps no KV
  int trained_context = 0;               // 0 = unknown: 4,096 is assumed
  std::uint32_t embedding_length = 0;    // 0 = unknown: 4,096 is assumed
  std::uint32_t vocabulary = 0;          // 0 = unknown: 128,000 is assumed
};
ModelShape shape_of(const domain::CatalogEntry& entry, const domain::ModelFile& file);

// What one replica may use.
struct Room {
  std::uint64_t free_bytes =
      0;                 // memory that can be had without swapping, less what starting replicas will take
  int cores = 1;         // of this replica
  std::string gpu = {};  // whose memory that is; empty: the machine's own, and its processors compute
};

// What was asked for (modelParameters); unset = choose.
struct FitWish {
  std::optional<int> context_tokens;  // maxModelLen
  std::optional<int> parallel;        // maxNumSeqs
  std::optional<int> batch_tokens;    // maxNumBatchedTokens
  std::optional<domain::KvLayout> layout;
  domain::KvType kv_type = domain::KvType::f16;
  bool shares_prefixes = false;  // requests are known to begin alike (one system prompt, RAG, agents)
};

struct Need {
  std::uint64_t weights = 0;
  std::uint64_t kv = 0;
  std::uint64_t working = 0;  // compute buffers, logits, the process itself
  std::uint64_t total() const { return weights + kv + working; }
};

struct Fit {
  int context_tokens = 0;
  int kv_tokens = 0;
  int parallel = 0;
  domain::KvLayout layout = domain::KvLayout::unified;
  domain::KvType kv_type = domain::KvType::f16;
  int batch_tokens = 0;  // 0 = the engine's default
  Need need;
  std::vector<std::string> reasons;  // one sentence for each choice
};

base::Result<Fit> fit(const ModelShape& model, const Room& room, const FitWish& wish);

// Copies the numbers and appends the reasons.
void apply(const Fit& fit, domain::LoadPlan& plan);

std::uint64_t kv_bytes(std::uint64_t f16_bytes_per_token, domain::KvType type, std::int64_t tokens);
std::uint64_t working_bytes(const ModelShape& model, int parallel, bool on_gpu = false);

}  // namespace slipway::policy
