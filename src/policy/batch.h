// What goes into the next engine step, who is admitted, and who is pre-empted: the engine's decisions as pure
// functions.
//
// Intuition (Sarathi-Serve, OSDI '24; vLLM's scheduler): decoding is bound by memory, prefill by compute. A
// step takes one token of every decoding sequence first, then fills up to a token budget with prompt chunks,
// oldest request first, so that a long prompt delays the others by at most one budget. Admission counts KV
// cells: a request starts when the cells it needs for its uncached prompt (and a small reserve for its
// answer) are free or can be taken from cached prefixes. When a decoding sequence needs a cell and none is
// left, the youngest running request gives its cells up and waits in front of the queue.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace slipway::policy {

struct BatchLimits {
  int parallel = 1;        // sequences at once
  int batch_tokens = 512;  // budget of one step, decode tokens included; at least parallel + 1 is used
  int prefill_share = 0;  // budget for prompt tokens while somebody decodes; 0 = what is left of batch_tokens
  int reserve_cells = 32;  // kept free for each admitted sequence's answer when another one is admitted
};

// A sequence as the planner sees it, in admission order (oldest first). `id` is the engine's index.
struct Sequence {
  int id = 0;
  int prompt_left = 0;  // prompt tokens not yet in the cache; 0 = decoding
  int waits_for = -1;   // id of a sequence that is prefilling the prefix it will share; -1 = nobody
  bool alone = false;   // shares no step
};

struct Chunk {
  int id = 0;
  int tokens = 0;  // 1 for a decoding sequence
  bool operator==(const Chunk&) const = default;
};

// The next step: decoding sequences, then prompt chunks, each oldest first. Empty when nothing can run. While
// an `alone` sequence is there, only it runs.
std::vector<Chunk> compose_step(std::span<const Sequence> sequences, const BatchLimits& limits);

struct Waiting {
  int id = 0;
  int new_cells = 0;  // cells for its uncached prompt
  bool alone = false;
};
// How many of the queue's front start now (FIFO: nobody overtakes). With nobody running the first always
// starts: the engine refused at submit what cannot fit alone.
int admit_count(std::span<const Waiting> queue, int running, bool running_alone, std::int64_t free_cells,
                std::int64_t evictable_cells, const BatchLimits& limits);

struct Running {
  int id = 0;
  std::uint64_t admitted = 0;  // order of admission, larger = younger
  int cells = 0;               // cells that only this sequence holds
};
// Whom to pre-empt so that at least `cells_needed` cells become free: youngest first, never the oldest. All
// but the oldest when even that is not enough.
std::vector<int> choose_preemption(std::span<const Running> running, std::int64_t cells_needed);

}  // namespace slipway::policy
