#include "io/patience.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace slipway::io {

using base::Error, base::ErrorCode, base::Result;

Result<void> Patience::check() const {
  if (!interrupted()) return {};
  return Error(ErrorCode::interrupted, "interrupted between two steps; what was done is in the journal");
}

Result<void> Patience::pause(base::Duration time) const {
  constexpr base::Duration kSlice = std::chrono::milliseconds(100);
  const base::Deadline end = base::Deadline::after(std::min(time, longest_pause_));
  for (auto now = base::monotonic_now(); !end.passed(now); now = base::monotonic_now()) {
    SLIPWAY_RETURN_IF_ERROR(check());
    std::this_thread::sleep_for(std::min(end.left(now), kSlice));
  }
  return check();
}

Result<void> Patience::until(const std::string& what, base::Duration limit, base::Duration between,
                             const std::function<Result<bool>()>& there) const {
  const base::MonotonicTime start = base::monotonic_now();
  while (true) {
    SLIPWAY_TRY(const bool done, there());
    if (done) return {};
    const base::Duration elapsed = base::monotonic_now() - start;
    if (elapsed >= limit)
      return Error(ErrorCode::timeout, fmt::format("waited {} for {}", base::human_duration(limit), what));
    tell(what, elapsed);
    SLIPWAY_RETURN_IF_ERROR(pause(between));
  }
}

}  // namespace slipway::io
