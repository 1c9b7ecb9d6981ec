// One llama_decode: rows of several sequences in, one row of logits for each sequence whose pending tokens
// are all in. Writes the crash page around it. Threads: the loop thread only.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "domain/model.h"
#include "domain/worker_protocol.h"
#include "engine/engine.h"

struct llama_batch;
struct llama_context;

namespace slipway::engine {

// `tokens` continue a sequence that holds `position` tokens.
struct Rows {
  int seq = 0;
  int position = 0;
  std::span<const Token> tokens;
  bool wants_logits = false;
  std::uint64_t fingerprint = 0;
  int logits_row = -1;  // out: the row to sample from
};

// Which rows go into one llama_decode. Unified: a batch of kAttentionTile rows or more makes the CPU's
// attention work in tiles, and a tile costs the union of all its rows' cells, so decoding rows (each with
// cells of its own) and prompt chunks are kept apart. Streams: rows in order of their sequences, which
// llama.cpp joins only when they are neighbours.
std::vector<std::vector<Rows>> split_step(std::vector<Rows> rows, domain::KvLayout layout);
inline constexpr int kAttentionTile = 64;

class StepDecoder {
 public:
  StepDecoder(llama_context* context, int batch_tokens, domain::CrashPage* page);
  ~StepDecoder();
  enum class Outcome { ok, no_room, failed };
  // The crash page names the rows' requests from here until settled(): sampling is part of the step.
  Outcome decode(std::vector<Rows>& rows);
  void settled();

 private:
  void write_page(const std::vector<Rows>& rows);

  llama_context* context_;
  std::unique_ptr<llama_batch> batch_;
  int capacity_;
  domain::CrashPage* page_;
};

}  // namespace slipway::engine
