#include "engine/prefix_index.h"

#include <algorithm>

namespace slipway::engine {
namespace {

int common_prefix(std::span<const Token> a, std::span<const Token> b) {
  return static_cast<int>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

PrefixIndex::Match PrefixIndex::find(std::string_view salt, std::span<const Token> prompt, const KvCache& kv,
                                     const std::function<bool(int)>& may_wait_for) const {
  Match match;
  if (prompt.empty()) return match;
  const auto sharable = prompt.first(prompt.size() - 1);
  for (int seq = 0; seq < static_cast<int>(entries_.size()); ++seq) {
    const Entry& e = entry(seq);
    if (e.state == State::free || !e.shareable || e.salt != salt) continue;
    const int common = common_prefix(sharable, e.tokens);
    const int ready = std::min(common, kv.length(seq));
    if (ready > match.tokens) match.seq = seq, match.tokens = ready;
    if (e.state == State::running && common > ready && common > match.future_tokens && may_wait_for(seq))
      match.future_seq = seq, match.future_tokens = common;
  }
  if (match.future_tokens <= match.tokens) match.future_seq = -1, match.future_tokens = 0;
  return match;
}

void PrefixIndex::start(int seq, std::string_view salt, std::span<const Token> tokens, bool shareable) {
  Entry& e = entry(seq);
  e.state = State::running;
  e.shareable = shareable;
  e.salt = salt;
  e.tokens.assign(tokens.begin(), tokens.end());
  e.used = ++clock_;
}

void PrefixIndex::extend(int seq, Token token) {
  entry(seq).tokens.push_back(token);
}

void PrefixIndex::keep(int seq, int computed) {
  Entry& e = entry(seq);
  if (!e.shareable || computed == 0) return forget(seq);
  e.state = State::cached;
  e.tokens.resize(static_cast<std::size_t>(computed));
  e.used = ++clock_;
}

void PrefixIndex::touch(int seq) {
  entry(seq).used = ++clock_;
}

void PrefixIndex::forget(int seq) {
  entry(seq) = Entry{};
}

int PrefixIndex::first_free() const {
  const auto it = std::ranges::find(entries_, State::free, &Entry::state);
  return it == entries_.end() ? -1 : static_cast<int>(it - entries_.begin());
}

int PrefixIndex::oldest_cached(int except) const {
  int oldest = -1;
  for (int seq = 0; seq < static_cast<int>(entries_.size()); ++seq) {
    if (!is_cached(seq) || seq == except) continue;
    if (oldest < 0 || entry(seq).used < entry(oldest).used) oldest = seq;
  }
  return oldest;
}

std::vector<int> PrefixIndex::cached() const {
  std::vector<int> seqs;
  for (int seq = 0; seq < static_cast<int>(entries_.size()); ++seq)
    if (is_cached(seq)) seqs.push_back(seq);
  return seqs;
}

}  // namespace slipway::engine
