#include "engine/batch_loop.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace slipway::engine {
namespace {

std::int64_t total(const std::vector<policy::Chunk>& chunks) {
  std::int64_t tokens = 0;
  for (const policy::Chunk& c : chunks) tokens += c.tokens;
  return tokens;
}

base::Error decode_failed() {
  return base::Error(base::ErrorCode::internal, "llama.cpp failed to compute the step that held this request")
      .with_next("Send the request again; `slipway logs` shows llama.cpp's words.");
}

}  // namespace

BatchLoop::BatchLoop(const LoadedModel& loaded, const domain::LoadPlan& plan, const Vocabulary& vocabulary,
                     Inbox& inbox, const LoadHooks& hooks)
    : loaded_(loaded),
      layout_(plan.layout),
      vocabulary_(vocabulary),
      inbox_(inbox),
      index_(loaded.sequences),
      decoder_(loaded.context.get(), loaded.batch_tokens, hooks.crash_page),
      on_step_(hooks.step),
      on_token_gap_(hooks.token_gap),
      running_(static_cast<std::size_t>(loaded.sequences)) {
  limits_.parallel = std::min(std::max(plan.parallel, 1), loaded.sequences);
  limits_.batch_tokens = loaded.batch_tokens;
  if (!loaded.context) return;
  kv_ = KvCache::make(loaded.context.get(),
                      {plan.layout, loaded.sequences, loaded.cells, loaded.sliding_window});
}

void BatchLoop::run() {
  while (true) {
    const bool idle = running_count_ == 0 && waiting_.empty();
    Inbox::Taken taken = inbox_.take(idle);
    for (TaskPtr& task : taken.tasks) waiting_.push_back(std::move(task));
    for (const Inbox::Job& job : taken.jobs) job(taken.stop);
    drop_cancelled(taken.stop || taken.cancel_all);
    if (taken.stop) return;
    share_awaited();
    admit();
    step();
    publish();
  }
}

Stats BatchLoop::stats() const {
  Stats s;
  s.steps = counters_.steps.load(std::memory_order_relaxed);
  s.prompt_tokens = counters_.prompt_tokens.load(std::memory_order_relaxed);
  s.cached_tokens = counters_.cached_tokens.load(std::memory_order_relaxed);
  s.output_tokens = counters_.output_tokens.load(std::memory_order_relaxed);
  s.preemptions = counters_.preemptions.load(std::memory_order_relaxed);
  s.kv_used = counters_.kv_used.load(std::memory_order_relaxed);
  s.running = counters_.running.load(std::memory_order_relaxed);
  s.waiting = counters_.waiting.load(std::memory_order_relaxed);
  s.kv_total = kv_ ? static_cast<std::uint64_t>(kv_->total_cells()) : 0;
  return s;
}

void BatchLoop::publish() {
  if (kv_) {
    const std::int64_t held = kv_->used_cells() - kv_->freed_by(index_.cached());
    counters_.kv_used.store(static_cast<std::uint64_t>(held), std::memory_order_relaxed);
  }
  counters_.running.store(static_cast<std::uint32_t>(running_count_), std::memory_order_relaxed);
  counters_.waiting.store(static_cast<std::uint32_t>(waiting_.size()), std::memory_order_relaxed);
}

void BatchLoop::drop_cancelled(bool all) {
  const auto gone = [all](const Task& t) { return all || t.cancelled->load(std::memory_order_acquire); };
  for (int seq = 0; seq < static_cast<int>(running_.size()); ++seq)
    if (task_of(seq) != nullptr && gone(*task_of(seq))) end(seq, FinishReason::cancelled);
  for (TaskPtr& task : waiting_) {
    if (!gone(*task)) continue;
    finish(*task, FinishReason::cancelled, nullptr);
    task.reset();
  }
  std::erase(waiting_, nullptr);
}

std::vector<Task*> BatchLoop::oldest_first() const {
  std::vector<Task*> tasks;
  for (const TaskPtr& task : running_)
    if (task) tasks.push_back(task.get());
  std::ranges::sort(tasks, {}, &Task::admitted);
  return tasks;
}

int BatchLoop::pending(const Task& task) const {
  return static_cast<int>(task.tokens.size()) - kv_->length(task.seq);
}

std::vector<policy::Chunk> BatchLoop::compose() const {
  std::vector<policy::Sequence> sequences;
  for (const Task* task : oldest_first()) {
    const int left = pending(*task);
    sequences.push_back({.id = task->seq,
                         .prompt_left = task->made() > 0 && left == 1 ? 0 : left,
                         .waits_for = task->waits_for,
                         .alone = task->request.run_alone});
  }
  return policy::compose_step(sequences, limits_);
}

std::vector<policy::Chunk> BatchLoop::compose_within_room() {
  while (true) {
    std::vector<policy::Chunk> chunks = compose();
    const std::int64_t needed = total(chunks);
    while (needed > kv_->free_cells() && evict_oldest()) {
    }
    if (needed <= kv_->free_cells()) return chunks;
    std::vector<policy::Running> holders;
    for (const Task* task : oldest_first())
      holders.push_back({task->seq, task->admitted, static_cast<int>(kv_->freed_by({task->seq}))});
    const std::vector<int> victims = policy::choose_preemption(holders, needed - kv_->free_cells());
    // Alone, a request fits: submit() saw to that. A prompt chunk that does not is cut by the budget of a
    // smaller step.
    SLIPWAY_CHECK(!victims.empty());
    for (int seq : victims) preempt(seq);
  }
}

void BatchLoop::step() {
  if (running_count_ == 0) return;
  std::vector<Rows> rows;
  for (const policy::Chunk& chunk : compose_within_room()) {
    const Task& task = *task_of(chunk.id);
    const int position = kv_->length(chunk.id);
    rows.push_back(
        {.seq = chunk.id,
         .position = position,
         .tokens = std::span(task.tokens)
                       .subspan(static_cast<std::size_t>(position), static_cast<std::size_t>(chunk.tokens)),
         .wants_logits = chunk.tokens == pending(task),
         .fingerprint = task.request.fingerprint});
  }
  for (std::vector<Rows>& group : split_step(std::move(rows), layout_)) {
    std::erase_if(group, [this](const Rows& r) { return task_of(r.seq) == nullptr; });
    if (!group.empty()) decode(group);
  }
}

void BatchLoop::decode(std::vector<Rows>& rows) {
  const base::MonotonicTime now = base::monotonic_now();
  for (const Rows& r : rows) {
    Task& task = *task_of(r.seq);
    if (!std::exchange(task.has_started, true)) task.started = now;
  }
  StepDecoder::Outcome outcome = decoder_.decode(rows);
  // Cells are counted exactly, so this is for models whose cells llama.cpp counts otherwise.
  if (outcome == StepDecoder::Outcome::no_room) {
    while (evict_oldest()) {
    }
    outcome = decoder_.decode(rows);
  }
  counters_.steps.fetch_add(1, std::memory_order_relaxed);
  if (outcome != StepDecoder::Outcome::ok) {
    const base::Error error = decode_failed();
    for (const Rows& r : rows) end(r.seq, FinishReason::error, &error);
    return decoder_.settled();
  }
  for (const Rows& r : rows) {
    Task& task = *task_of(r.seq);
    const bool prompt = task.made() == 0 || r.tokens.size() > 1;
    if (prompt) counters_.prompt_tokens.fetch_add(r.tokens.size(), std::memory_order_relaxed);
    kv_->appended(r.seq, static_cast<int>(r.tokens.size()));
  }
  for (const Rows& r : rows)
    if (r.wants_logits) sample(*task_of(r.seq), r.logits_row);
  decoder_.settled();
  report_step(rows, now);
}

void BatchLoop::report_step(const std::vector<Rows>& rows, base::MonotonicTime begin) const {
  if (!on_step_) return;
  StepFacts facts{.sequences = static_cast<int>(rows.size()),
                  .seconds = base::seconds(base::monotonic_now() - begin)};
  for (const Rows& r : rows) facts.tokens += static_cast<int>(r.tokens.size());
  on_step_(facts);
}

void BatchLoop::sample(Task& task, int row) {
  const base::Result<Sampled> sampled = task.sampler->sample(loaded_.context.get(), row);
  if (!sampled) return end(task.seq, FinishReason::error, &sampled.error());
  const base::MonotonicTime now = base::monotonic_now();
  if (task.made() == 0) task.first_token = now;
  if (vocabulary_.is_end(sampled->token)) return end(task.seq, FinishReason::stop);
  if (task.made() > 0 && on_token_gap_) on_token_gap_(base::seconds(now - task.last_token));
  task.last_token = now;
  task.tokens.push_back(sampled->token);
  index_.extend(task.seq, sampled->token);
  counters_.output_tokens.fetch_add(1, std::memory_order_relaxed);
  task.sink->on_token({sampled->token, sampled->logprob, sampled->top});
  if (task.made() >= task.max_tokens) end(task.seq, FinishReason::length);
}

void BatchLoop::end(int seq, FinishReason reason, const base::Error* error) {
  const TaskPtr task = std::move(running_[static_cast<std::size_t>(seq)]);
  --running_count_;
  if (task->request.run_alone) running_alone_ = false;
  if (reason == FinishReason::error) {
    evict(seq);
  } else {
    index_.keep(seq, kv_->length(seq));
    if (index_.is_free(seq)) kv_->clear(seq);
  }
  finish(*task, reason, error);
}

void BatchLoop::finish(Task& task, FinishReason reason, const base::Error* error) {
  const base::MonotonicTime now = base::monotonic_now();
  Usage& usage = task.usage;
  usage.prompt_tokens = task.prompt_tokens;
  usage.completion_tokens = task.made();
  const base::MonotonicTime started = task.has_started ? task.started : now;
  const base::MonotonicTime first = task.made() > 0 ? task.first_token : now;
  usage.queue_seconds = base::seconds(started - task.submitted);
  usage.prefill_seconds = base::seconds(first - started);
  usage.decode_seconds = base::seconds(now - first);
  inbox_.leave();
  task.sink->on_finish(reason, usage, error);
  inbox_.ended();
}

}  // namespace slipway::engine
