#include "engine/kv_cache.h"

#include <llama.h>

#include <limits>

#include "base/check.h"

namespace slipway::engine {
namespace {

// Sharing is a scan of the cell table (0.15 ms for 16k cells); a handful of tokens is cheaper to decode
// again.
constexpr int kMinShareUnified = 8;
// Sharing copies (about 20 KiB a token and layer set): worth it from a prompt chunk's fraction on.
constexpr int kMinShareStreams = 32;

std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}

class UnifiedKv final : public KvCache {
 public:
  UnifiedKv(llama_context* context, const Shape& shape) : KvCache(context, shape, shape.cells) {}

  std::int64_t free_cells() const override { return total_cells() - used_cells(); }
  int min_share() const override { return kMinShareUnified; }
  bool share(int from, int to, int tokens) override {
    SLIPWAY_CHECK(length(to) == 0 && tokens <= length(from));
    llama_memory_seq_cp(llama_get_memory(context_), from, to, 0, tokens);
    hold_same(from, to, tokens);
    if (verify(to, tokens)) return true;
    clear(to);
    return false;
  }
};

// A prefix travels as the serialised state of its whole sequence, cut after the import: the public API copies
// between streams only whole buffers, which for a short prefix in a long stream is the slower way. The
// exported bytes serve every share of the same source until end_sharing(), so a burst exports once.
class StreamsKv final : public KvCache {
 public:
  StreamsKv(llama_context* context, const Shape& shape)
      : KvCache(context, shape, shape.cells * shape.sequences), sliding_window_(shape.sliding_window) {}

  std::int64_t free_cells() const override { return std::numeric_limits<std::int64_t>::max() / 4; }
  int min_share() const override { return kMinShareStreams; }
  void end_sharing() override {
    exported_from_ = -1;
    state_ = {};
  }
  bool share(int from, int to, int tokens) override {
    SLIPWAY_CHECK(length(to) == 0 && tokens <= length(from));
    if (!copy(from, to)) return false;
    hold_new(to, length(from));
    return trim(to, tokens);
  }

 private:
  bool copy(int from, int to) {
    // An exported state lacks the cells outside the window of its own end, which a shorter prefix still
    // needs.
    if (sliding_window_) {
      llama_memory_seq_cp(llama_get_memory(context_), from, to, -1, -1);
      return true;
    }
    if (exported_from_ != from) {
      state_.resize(llama_state_seq_get_size(context_, from));
      const std::size_t n = llama_state_seq_get_data(context_, state_.data(), state_.size(), from);
      if (n == 0) return false;
      state_.resize(n);
      exported_from_ = from;
    }
    return llama_state_seq_set_data(context_, state_.data(), state_.size(), to) != 0;
  }
  void changed(int seq) override {
    if (seq == exported_from_) end_sharing();
  }

  bool sliding_window_;
  int exported_from_ = -1;
  std::vector<std::uint8_t> state_;
};

}  // namespace

std::unique_ptr<KvCache> KvCache::make(llama_context* context, const Shape& shape) {
  if (shape.layout == domain::KvLayout::unified) return std::make_unique<UnifiedKv>(context, shape);
  return std::make_unique<StreamsKv>(context, shape);
}

KvCache::KvCache(llama_context* context, const Shape& shape, std::int64_t total)
    : context_(context), held_(at(shape.sequences)), total_(total) {
  SLIPWAY_CHECK(shape.sequences >= 1 && shape.sequences <= kMaxSequences);
}

std::int64_t KvCache::freed_by(const std::vector<int>& seqs) const {
  scratch_.assign(holders_.size(), 0);
  std::int64_t freed = 0;
  for (int seq : seqs)
    for (std::int32_t cell : held_[at(seq)]) freed += ++scratch_[at(cell)] == holders_[at(cell)];
  return freed;
}

bool KvCache::trim(int seq, int tokens) {
  SLIPWAY_CHECK(tokens <= length(seq));
  if (tokens == length(seq)) return true;
  if (tokens > 0 && llama_memory_seq_rm(llama_get_memory(context_), seq, tokens, -1) && verify(seq, tokens)) {
    release(seq, tokens);
    return true;
  }
  clear(seq);
  return tokens == 0;
}

void KvCache::clear(int seq) {
  llama_memory_seq_rm(llama_get_memory(context_), seq, -1, -1);
  release(seq, 0);
}

void KvCache::appended(int seq, int tokens) {
  hold_new(seq, tokens);
  changed(seq);
}

bool KvCache::verify(int seq, int tokens) const {
  const llama_memory_t memory = llama_get_memory(context_);
  return llama_memory_seq_pos_min(memory, seq) == 0 && llama_memory_seq_pos_max(memory, seq) == tokens - 1;
}

void KvCache::hold_same(int from, int to, int tokens) {
  const auto& source = held_[at(from)];
  auto& target = held_[at(to)];
  target.assign(source.begin(), source.begin() + tokens);
  for (std::int32_t cell : target) ++holders_[at(cell)];
  changed(to);
}

void KvCache::hold_new(int seq, int tokens) {
  auto& cells = held_[at(seq)];
  for (int i = 0; i < tokens; ++i) {
    if (unused_.empty()) {
      unused_.push_back(static_cast<std::int32_t>(holders_.size()));
      holders_.push_back(0);
    }
    cells.push_back(unused_.back());
    unused_.pop_back();
    holders_[at(cells.back())] = 1;
  }
  used_ += tokens;
}

void KvCache::release(int seq, int keep) {
  auto& cells = held_[at(seq)];
  for (std::size_t i = at(keep); i < cells.size(); ++i) {
    if (--holders_[at(cells[i])] > 0) continue;
    unused_.push_back(cells[i]);
    --used_;
  }
  cells.resize(at(keep));
  changed(seq);
}

}  // namespace slipway::engine
