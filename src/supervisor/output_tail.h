// What a worker prints: its last lines kept, every line logged, a flood thinned out.
//
// Bounds: kKeptLines lines of kMaxOutputLine bytes; at most kLinesPerSecond lines a second reach the log, the
// rest are counted and reported once a second.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace slipway::supervisor {

inline constexpr std::size_t kKeptLines = 40;
inline constexpr std::size_t kMaxOutputLine = 4096;
inline constexpr int kLinesPerSecond = 200;

class OutputTail {
 public:
  OutputTail(std::string replica, std::string model)
      : replica_(std::move(replica)), model_(std::move(model)) {}
  void line(std::string_view text, base::MonotonicTime now);
  std::vector<std::string> last_lines() const { return {lines_.begin(), lines_.end()}; }

 private:
  bool may_log(base::MonotonicTime now);
  const std::string replica_, model_;
  std::deque<std::string> lines_;
  base::MonotonicTime second_{};  // start of the running second
  int in_second_ = 0;
};

}  // namespace slipway::supervisor
