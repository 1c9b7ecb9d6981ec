#include "policy/batch.h"

#include <algorithm>

namespace slipway::policy {
namespace {

bool decodes(const Sequence& s) {
  return s.prompt_left == 0 && s.waits_for < 0;
}
bool prefills(const Sequence& s) {
  return s.prompt_left > 0 && s.waits_for < 0;
}

// An `alone` sequence is the whole world of its step.
std::span<const Sequence> in_scope(std::span<const Sequence> sequences) {
  const auto alone = std::ranges::find_if(sequences, &Sequence::alone);
  return alone == sequences.end() ? sequences : std::span<const Sequence>(&*alone, 1);
}

}  // namespace

std::vector<Chunk> compose_step(std::span<const Sequence> sequences, const BatchLimits& limits) {
  const std::span<const Sequence> scope = in_scope(sequences);
  std::vector<Chunk> step;
  for (const Sequence& s : scope)
    if (decodes(s)) step.push_back({s.id, 1});
  const int decoding = static_cast<int>(step.size());
  int budget = std::max(limits.batch_tokens, limits.parallel + 1) - decoding;
  if (decoding > 0 && limits.prefill_share > 0) budget = std::min(budget, limits.prefill_share);
  for (const Sequence& s : scope) {
    if (budget <= 0) break;
    if (!prefills(s)) continue;
    const int tokens = std::min(budget, s.prompt_left);
    step.push_back({s.id, tokens});
    budget -= tokens;
  }
  return step;
}

int admit_count(std::span<const Waiting> queue, int running, bool running_alone, std::int64_t free_cells,
                std::int64_t evictable_cells, const BatchLimits& limits) {
  if (running_alone) return 0;
  std::int64_t cells = free_cells + evictable_cells;
  int admitted = 0;
  for (const Waiting& w : queue) {
    const int holders = running + admitted;
    if (holders >= limits.parallel) break;
    if (w.alone) return holders == 0 ? 1 : admitted;
    const std::int64_t reserve = std::int64_t{limits.reserve_cells} * (holders + 1);
    if (holders > 0 && w.new_cells + reserve > cells) break;
    cells -= w.new_cells;
    ++admitted;
  }
  return admitted;
}

std::vector<int> choose_preemption(std::span<const Running> running, std::int64_t cells_needed) {
  std::vector<Running> youngest_first(running.begin(), running.end());
  std::ranges::sort(youngest_first, [](const Running& a, const Running& b) {
    return a.admitted != b.admitted ? a.admitted > b.admitted : a.id > b.id;
  });
  if (!youngest_first.empty()) youngest_first.pop_back();
  std::vector<int> chosen;
  for (const Running& r : youngest_first) {
    if (cells_needed <= 0) break;
    chosen.push_back(r.id);
    cells_needed -= r.cells;
  }
  return chosen;
}

}  // namespace slipway::policy
