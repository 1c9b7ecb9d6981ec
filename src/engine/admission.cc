// The half of BatchLoop that decides which KV sequence a request gets, what it shares, and who gives cells
// up.
//
// A request that finds its prefix being prefilled by an older one is admitted but waits for it: that way a
// burst computes a common prefix once, whatever the arrival order inside the burst. It waits only for older
// requests, so waiting never goes in a circle; when the other one ends or is pre-empted, it looks again.

#include <algorithm>

#include "base/check.h"
#include "engine/batch_loop.h"

namespace slipway::engine {
namespace {

// Waiting costs the time until the other one's next chunk is done; fewer tokens than this are computed sooner
// oneself.
constexpr int kMinWaitGain = 32;

}  // namespace

PrefixIndex::Match BatchLoop::match(const Task& task) const {
  if (!task.request.cache_prompt) return {};
  const auto older = [&](int seq) {
    const Task* other = task_of(seq);
    return other != nullptr && other != &task && (task.seq < 0 || other->admitted < task.admitted);
  };
  PrefixIndex::Match m = index_.find(task.request.cache_salt, task.tokens, *kv_, older);
  if (loaded_.whole_states_only) {
    m.future_seq = -1;
    if (m.seq >= 0 && (!index_.is_cached(m.seq) || m.tokens != kv_->length(m.seq))) m.seq = -1;
  }
  if (m.seq < 0 || m.tokens < kv_->min_share()) m.seq = -1, m.tokens = 0;
  const bool worth_waiting =
      m.future_seq >= 0 && !task.request.run_alone && m.future_tokens - m.tokens >= kMinWaitGain;
  if (!worth_waiting) m.future_seq = -1, m.future_tokens = 0;
  return m;
}

void BatchLoop::admit() {
  while (!waiting_.empty() && running_count_ < limits_.parallel) {
    const PrefixIndex::Match found = match(*waiting_.front());
    if (!may_admit(*waiting_.front(), found)) break;
    TaskPtr task = std::move(waiting_.front());
    waiting_.pop_front();
    start(std::move(task), found);
  }
  if (kv_) kv_->end_sharing();
}

bool BatchLoop::may_admit(const Task& task, const PrefixIndex::Match& found) const {
  const int shared = std::max(found.tokens, found.future_tokens);
  const policy::Waiting waiting{0, static_cast<int>(task.tokens.size()) - shared, task.request.run_alone};
  const std::int64_t free = kv_->free_cells() - committed();
  const auto fits = [&](std::int64_t evictable_cells) {
    return policy::admit_count({&waiting, 1}, running_count_, running_alone_, free, evictable_cells,
                               limits_) == 1;
  };
  if (fits(0)) return true;
  // The shared prefix itself is not for eviction.
  const int pinned = found.seq >= 0 && index_.is_cached(found.seq) ? found.tokens : 0;
  return fits(std::max<std::int64_t>(0, evictable() - pinned));
}

std::int64_t BatchLoop::committed() const {
  std::int64_t cells = 0;
  for (const TaskPtr& task : running_)
    if (task) cells += std::max(0, pending(*task) - (task->waits_for >= 0 ? task->wait_tokens : 0));
  return cells;
}

std::int64_t BatchLoop::evictable() const {
  return kv_->freed_by(index_.cached());
}

void BatchLoop::start(TaskPtr owned, const PrefixIndex::Match& found) {
  Task& task = *owned;
  bool took_over = false;
  const int seq = take_sequence(found, &took_over);
  task.seq = seq;
  task.admitted = ++admissions_;
  index_.start(seq, task.request.cache_salt, task.tokens, task.request.cache_prompt);
  running_[static_cast<std::size_t>(seq)] = std::move(owned);
  ++running_count_;
  running_alone_ = task.request.run_alone;
  if (!took_over) return wait_or_share(task, found);
  if (kv_->trim(seq, found.tokens)) count_cached(task, found.tokens);
}

// A cached sequence is taken over when that loses little of it; otherwise its prefix is shared with another
// sequence.
int BatchLoop::take_sequence(const PrefixIndex::Match& found, bool* took_over) {
  const bool candidate = found.seq >= 0 && found.future_seq < 0 && index_.is_cached(found.seq);
  const int length = candidate ? kv_->length(found.seq) : 0;
  const bool all = candidate && found.tokens == length;
  const bool most = candidate && layout_ == domain::KvLayout::streams && 4 * found.tokens >= 3 * length;
  if (all || most) {
    *took_over = true;
    return found.seq;
  }
  if (index_.first_free() < 0 && !evict_oldest(found.seq)) {
    // Only the sequence that holds the prefix is left.
    SLIPWAY_CHECK(candidate || (found.seq >= 0 && index_.is_cached(found.seq)));
    *took_over = true;
    return found.seq;
  }
  return index_.first_free();
}

void BatchLoop::wait_or_share(Task& task, const PrefixIndex::Match& found) {
  if (found.future_seq >= 0) {
    task.waits_for = found.future_seq;
    task.wait_admitted = task_of(found.future_seq)->admitted;
    task.wait_tokens = found.future_tokens;
    return;
  }
  if (found.seq >= 0 && kv_->share(found.seq, task.seq, found.tokens)) {
    index_.touch(found.seq);
    count_cached(task, found.tokens);
  }
}

void BatchLoop::share_awaited() {
  if (running_count_ == 0) return;
  for (Task* task : oldest_first()) {
    if (task->waits_for < 0) continue;
    const Task* other = task_of(task->waits_for);
    const bool still_there = other != nullptr && other->admitted == task->wait_admitted;
    if (still_there && kv_->length(other->seq) < task->wait_tokens) continue;
    task->waits_for = -1;
    wait_or_share(*task, match(*task));
  }
  kv_->end_sharing();
}

void BatchLoop::count_cached(Task& task, int tokens) {
  counters_.cached_tokens.fetch_add(static_cast<std::uint64_t>(tokens), std::memory_order_relaxed);
  if (task.usage.preemptions == 0) task.usage.cached_tokens = std::min(tokens, task.prompt_tokens);
}

void BatchLoop::evict(int seq) {
  index_.forget(seq);
  kv_->clear(seq);
}

bool BatchLoop::evict_oldest(int except) {
  const int seq = index_.oldest_cached(except);
  if (seq < 0) return false;
  evict(seq);
  return true;
}

void BatchLoop::preempt(int seq) {
  TaskPtr task = std::move(running_[static_cast<std::size_t>(seq)]);
  --running_count_;
  if (task->request.run_alone) running_alone_ = false;
  evict(seq);
  task->seq = -1;
  task->waits_for = -1;
  ++task->usage.preemptions;
  counters_.preemptions.fetch_add(1, std::memory_order_relaxed);
  waiting_.push_front(std::move(task));
}

}  // namespace slipway::engine
