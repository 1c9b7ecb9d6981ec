#include "store/progress.h"

#include <cmath>

namespace slipway::store {

void ProgressMeter::start(std::string_view phase, std::uint64_t done, std::uint64_t total) {
  state_ = {.phase = phase, .done = done, .total = total, .bytes_per_second = 0, .left = {}};
  measured_ = base::monotonic_now();
  measured_done_ = done;
  report(measured_);
}

void ProgressMeter::update(std::uint64_t done, base::MonotonicTime now) {
  state_.done = done;
  if (now - reported_ < kReportEvery && done != state_.total) return;
  const double seconds = base::seconds(now - measured_);
  if (seconds > 0 && done > measured_done_) {
    const double rate = static_cast<double>(done - measured_done_) / seconds;
    const double keep = state_.bytes_per_second == 0 ? 0 : std::exp(-seconds / kRateSeconds);
    state_.bytes_per_second = keep * state_.bytes_per_second + (1 - keep) * rate;
    measured_ = now;
    measured_done_ = done;
  }
  report(now);
}

void ProgressMeter::report(base::MonotonicTime now) {
  reported_ = now;
  state_.left.reset();
  if (state_.bytes_per_second > 0 && state_.total > state_.done)
    state_.left = std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(
        static_cast<double>(state_.total - state_.done) / state_.bytes_per_second));
  if (on_progress_) on_progress_(state_);
}

}  // namespace slipway::store
