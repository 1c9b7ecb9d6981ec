// Signs of life: the engine marks progress from inside its steps, the HTTP loop turns that into beats.
//
// mark() is called once a graph node on the engine's threads: one relaxed add. take() decides on the loop's
// timer whether a beat is due: at most one a call, and only for progress since the last one, or once a second
// while nothing is running. A busy engine that makes no progress gets no beat, which is how the supervisor
// sees that it is stuck.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "domain/worker_protocol.h"
#include "engine/engine.h"

namespace slipway::worker {

class Beats {
 public:
  static constexpr base::Duration kPeriod = std::chrono::milliseconds(250);
  static constexpr base::Duration kIdlePeriod = std::chrono::seconds(1);

  void mark() { marks_.fetch_add(1, std::memory_order_relaxed); }
  std::optional<domain::WorkerBeat> take(const engine::Stats& stats, base::MonotonicTime now) {
    const std::uint64_t marks = marks_.load(std::memory_order_relaxed);
    const std::uint64_t tokens = stats.prompt_tokens + stats.output_tokens;
    const bool progress = marks != seen_marks_ || stats.steps != seen_steps_ || tokens != seen_tokens_;
    const bool idle = stats.running == 0 && stats.waiting == 0;
    if (!progress && !(idle && now - last_ >= kIdlePeriod)) return std::nullopt;
    seen_marks_ = marks;
    seen_steps_ = stats.steps;
    seen_tokens_ = tokens;
    last_ = now;
    return domain::WorkerBeat{stats.steps, tokens, stats.running, stats.waiting, stats.kv_used};
  }
  // While the model loads there are no statistics: a beat for marks alone.
  bool moved() {
    const std::uint64_t marks = marks_.load(std::memory_order_relaxed);
    return std::exchange(seen_marks_, marks) != marks;
  }

 private:
  std::atomic<std::uint64_t> marks_{0};
  std::uint64_t seen_marks_ = 0, seen_steps_ = 0, seen_tokens_ = 0;
  base::MonotonicTime last_{};
};

}  // namespace slipway::worker
