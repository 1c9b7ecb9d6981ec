// Which tokens each KV sequence holds, who may share them, and which sequence goes first when room is needed.
//
// Intuition: at most 256 sequences exist, so the longest common prefix is found by comparing the prompt with
// each of them (most differ within a few tokens); no tree has to be kept true while sequences grow, are cut
// and are shared. A sequence is free, running (its request is in the engine) or cached (its request ended,
// its cells wait for reuse). Only sequences of the same cache_salt are ever looked at. Threads: the loop
// thread only. Bounds: kMaxSequences.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/kv_cache.h"

namespace slipway::engine {

class PrefixIndex {
 public:
  explicit PrefixIndex(int sequences) : entries_(static_cast<std::size_t>(sequences)) {}

  struct Match {
    int seq = -1;  // holds `tokens` of the prompt now; -1 = nobody
    int tokens = 0;
    int future_seq =
        -1;  // is running and will hold `future_tokens` of it; -1 = nobody holds more than `tokens`
    int future_tokens = 0;
  };
  // `kv` says how much of each sequence is computed; `may_wait_for` which running ones count as future. At
  // most prompt.size() - 1 tokens match: the last one must be decoded for its logits.
  Match find(std::string_view salt, std::span<const Token> prompt, const KvCache& kv,
             const std::function<bool(int seq)>& may_wait_for) const;

  // A request takes the sequence; `shareable` false = nobody ever matches it.
  void start(int seq, std::string_view salt, std::span<const Token> tokens, bool shareable);
  void extend(int seq, Token token);
  // The request ended; the first `computed` tokens stay for reuse.
  void keep(int seq, int computed);
  void touch(int seq);
  void forget(int seq);

  bool is_free(int seq) const { return entry(seq).state == State::free; }
  bool is_cached(int seq) const { return entry(seq).state == State::cached; }
  // The lowest free sequence (streams that decode together must be neighbours); -1 when there is none.
  int first_free() const;
  // The cached sequence that was used least recently, other than `except`; -1 when there is none.
  int oldest_cached(int except = -1) const;
  std::vector<int> cached() const;

 private:
  enum class State { free, running, cached };
  struct Entry {
    State state = State::free;
    bool shareable = false;
    std::string salt;
    std::vector<Token> tokens;
    std::uint64_t used = 0;
  };
  Entry& entry(int seq) { return entries_[static_cast<std::size_t>(seq)]; }
  const Entry& entry(int seq) const { return entries_[static_cast<std::size_t>(seq)]; }

  std::vector<Entry> entries_;
  std::uint64_t clock_ = 0;
};

}  // namespace slipway::engine
