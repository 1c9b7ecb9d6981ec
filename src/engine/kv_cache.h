// The KV cells of one llama.cpp context, in one of two layouts behind one interface.
//
// unified: all sequences draw on one pool; sharing a prefix marks cells as held by one more sequence
// (O(cells), no copy),
//          and every row of a step scans all live cells, its own and the others'.
// streams: every sequence has its own buffer of equal size; sharing copies the prefix; a row scans only its
// own cells.
//
// Cells are counted exactly, beside llama.cpp: each position of a sequence is a logical cell with a count of
// holders. Ownership: borrows the context. Threads: the loop thread only. Failure: share and trim say false
// when the model's memory cannot do it (recurrent states); the destination, or the trimmed sequence, is empty
// then.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "domain/model.h"

struct llama_context;

namespace slipway::engine {

inline constexpr int kMaxSequences = 256;  // LLAMA_MAX_SEQ

class KvCache {
 public:
  struct Shape {
    domain::KvLayout layout = domain::KvLayout::unified;
    int sequences = 1;
    std::int64_t cells = 0;  // unified: of the pool; streams: of each sequence
    bool sliding_window = false;
  };
  static std::unique_ptr<KvCache> make(llama_context* context, const Shape& shape);
  virtual ~KvCache() = default;
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  int sequences() const { return static_cast<int>(held_.size()); }
  int length(int seq) const { return static_cast<int>(held_[static_cast<std::size_t>(seq)].size()); }
  std::int64_t total_cells() const { return total_; }
  std::int64_t used_cells() const { return used_; }
  // Cells that any sequence can still take. In streams a sequence never takes another one's cells: "no
  // limit".
  virtual std::int64_t free_cells() const = 0;
  // How many cells clearing these sequences together would free.
  std::int64_t freed_by(const std::vector<int>& seqs) const;

  // `to` is empty; afterwards it holds the first `tokens` positions of `from`. Shorter prefixes than this are
  // not worth it.
  virtual bool share(int from, int to, int tokens) = 0;
  virtual int min_share() const = 0;
  // Keeps the first `tokens` positions.
  bool trim(int seq, int tokens);
  void clear(int seq);
  // A decode put `tokens` more positions into the sequence.
  virtual void appended(int seq, int tokens);
  // Lets go of what share() keeps for the next share of the same prefix. Call once a step.
  virtual void end_sharing() {}

 protected:
  KvCache(llama_context* context, const Shape& shape, std::int64_t total);
  // llama.cpp holds exactly the positions [0, tokens) of the sequence.
  bool verify(int seq, int tokens) const;
  void hold_same(int from, int to, int tokens);
  void hold_new(int seq, int tokens);
  virtual void changed(int /*seq*/) {}

  llama_context* context_;

 private:
  void release(int seq, int keep);

  std::vector<std::vector<std::int32_t>> held_;  // per sequence: the logical cell of each position
  std::vector<std::int32_t> holders_;            // per logical cell
  std::vector<std::int32_t> unused_;             // logical cells that nobody holds
  mutable std::vector<std::int32_t> scratch_;    // of freed_by
  std::int64_t total_ = 0;
  std::int64_t used_ = 0;
};

}  // namespace slipway::engine
