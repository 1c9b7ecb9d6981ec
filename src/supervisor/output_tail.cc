#include "supervisor/output_tail.h"

#include <fmt/format.h>

#include "telemetry/log.h"

namespace slipway::supervisor {

using telemetry::Level;

void OutputTail::line(std::string_view text, base::MonotonicTime now) {
  if (lines_.size() == kKeptLines) lines_.pop_front();
  lines_.emplace_back(text);
  if (may_log(now))
    telemetry::log(Level::info, "worker_output", text, {{"replica", replica_}, {"model", model_}});
}

bool OutputTail::may_log(base::MonotonicTime now) {
  if (now - second_ >= std::chrono::seconds(1)) {
    if (in_second_ > kLinesPerSecond)
      telemetry::log(Level::warn, "worker_output",
                     fmt::format("{} lines left out: more than {} a second", in_second_ - kLinesPerSecond,
                                 kLinesPerSecond),
                     {{"replica", replica_}, {"model", model_}});
    second_ = now;
    in_second_ = 0;
  }
  return ++in_second_ <= kLinesPerSecond;
}

}  // namespace slipway::supervisor
