// The loop thread: takes requests in, admits them, decodes steps, samples, hands tokens out.
//
// One turn: take what arrived; drop what was cancelled; let those that waited for a prefix share it; admit
// from the front of the queue; compose a step (policy/batch); make room for it; decode; sample; deliver. An
// idle loop sleeps in the inbox.
//
// Ownership: borrows model, vocabulary and inbox, which outlive it. Threads: run() on its own thread, the
// destructor's owner stops it through the inbox; stats() from anywhere. Failure: of one request: its Sink
// gets it; of a whole decode: every request of that decode fails with `internal` and the loop goes on.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "engine/inbox.h"
#include "engine/kv_cache.h"
#include "engine/loaded_model.h"
#include "engine/prefix_index.h"
#include "engine/step_decoder.h"
#include "engine/vocabulary.h"
#include "policy/batch.h"

namespace slipway::engine {

class BatchLoop {
 public:
  BatchLoop(const LoadedModel& loaded, const domain::LoadPlan& plan, const Vocabulary& vocabulary,
            Inbox& inbox, const LoadHooks& hooks);
  void run();
  Stats stats() const;

 private:
  using TaskPtr = std::unique_ptr<Task>;

  void drop_cancelled(bool all);
  void share_awaited();
  void admit();
  bool may_admit(const Task& task, const PrefixIndex::Match& match) const;
  void start(TaskPtr task, const PrefixIndex::Match& match);
  int take_sequence(const PrefixIndex::Match& match, bool* took_over);
  PrefixIndex::Match match(const Task& task) const;
  void wait_or_share(Task& task, const PrefixIndex::Match& match);
  void count_cached(Task& task, int tokens);

  std::vector<policy::Chunk> compose() const;
  std::vector<policy::Chunk> compose_within_room();
  void step();
  void decode(std::vector<Rows>& rows);
  void sample(Task& task, int row);
  void report_step(const std::vector<Rows>& rows, base::MonotonicTime begin) const;

  void evict(int seq);
  bool evict_oldest(int except = -1);
  void preempt(int seq);
  void end(int seq, FinishReason reason, const base::Error* error = nullptr);
  void finish(Task& task, FinishReason reason, const base::Error* error);
  int pending(const Task& task) const;
  std::int64_t committed() const;
  std::int64_t evictable() const;
  void publish();

  Task* task_of(int seq) const { return running_[static_cast<std::size_t>(seq)].get(); }
  std::vector<Task*> oldest_first() const;

  const LoadedModel& loaded_;
  const domain::KvLayout layout_;
  const Vocabulary& vocabulary_;
  Inbox& inbox_;
  policy::BatchLimits limits_;
  std::unique_ptr<KvCache> kv_;
  PrefixIndex index_;
  StepDecoder decoder_;
  const std::function<void(const StepFacts&)> on_step_;
  const std::function<void(double)> on_token_gap_;
  std::deque<TaskPtr> waiting_;
  std::vector<TaskPtr> running_;  // by sequence
  int running_count_ = 0;
  bool running_alone_ = false;
  std::uint64_t admissions_ = 0;

  struct Counters {
    std::atomic<std::uint64_t> steps{0}, prompt_tokens{0}, cached_tokens{0}, output_tokens{0}, preemptions{0},
        kv_used{0};
    std::atomic<std::uint32_t> running{0}, waiting{0};
  };
  Counters counters_;
};

}  // namespace slipway::engine
