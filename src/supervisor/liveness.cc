#include "supervisor/liveness.h"

#include <fmt/format.h>

namespace slipway::supervisor {

Liveness::Liveness(LivenessLimits limits, base::MonotonicTime started)
    : limits_(limits), heard_(started), advanced_(started), checked_(started) {}

void Liveness::heard(const domain::WorkerMessage& message, base::MonotonicTime now) {
  heard_ = now;
  if (std::holds_alternative<domain::WorkerReady>(message)) ready_ = true;
  const auto* beat = std::get_if<domain::WorkerBeat>(&message);
  const bool idle = beat != nullptr && beat->running == 0 && beat->waiting == 0;
  if (beat == nullptr || idle || beat->steps != last_.steps || beat->tokens != last_.tokens) advanced_ = now;
  if (beat != nullptr) last_ = *beat;
}

std::optional<std::string> Liveness::check(base::MonotonicTime now) {
  const base::Duration limit = ready_ ? limits_.silence : limits_.start_silence;
  const base::Duration gap = now - checked_;
  checked_ = now;
  if (gap > limits_.silence / 2) {  // we were not listening
    heard_ += gap;
    advanced_ += gap;
  }
  if (now - heard_ > limit)
    return fmt::format(
        "no sign of life for {} ({} steps, {} tokens, {} running, {} waiting when it was last heard)",
        base::human_duration(now - heard_), last_.steps, last_.tokens, last_.running, last_.waiting);
  if (ready_ && now - advanced_ > limits_.silence * limits_.standstill_factor)
    return fmt::format("{} requests running and {} waiting, but no step for {} (at step {}, token {})",
                       last_.running, last_.waiting, base::human_duration(now - advanced_), last_.steps,
                       last_.tokens);
  return std::nullopt;
}

}  // namespace slipway::supervisor
