// Long work on stderr: one line that redraws itself on a terminal, else a line when a phase begins and every
// 10 s after.
//
// Rates are averages over the phase so far; an ETA is shown from 2 s on, when the total is known. The clock
// is given, so that tests decide the time. Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "cli/console.h"

namespace slipway::cli {

struct ProgressEvent {
  std::string phase = {};    // "download", "verify", "start", "weights", "context", "warmup", "drain"
  std::string subject = {};  // "smollm2-135m"
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0 = unknown
  std::string unit = {};    // "bytes", "layers", "requests", ""
  std::string message = {};
};

class Progress {
 public:
  using Clock = std::function<base::MonotonicTime()>;
  Progress(Console& console, bool quiet, Clock clock = base::monotonic_now);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(const ProgressEvent& event);
  void note(std::string_view text);  // a lasting line above the moving one
  void finish();                     // erases the moving line; also when an error or an interrupt follows

 private:
  std::string line(const ProgressEvent& event) const;
  std::string bar(double ratio) const;
  Console& console_;
  const bool quiet_;
  const Clock clock_;
  std::string key_;  // phase and subject of the last event
  base::MonotonicTime phase_start_{};
  base::MonotonicTime last_shown_{};
  std::uint64_t done_at_start_ = 0;
  bool drawn_ = false;  // a moving line is on the screen
};

}  // namespace slipway::cli
