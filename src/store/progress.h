// How far a fetch is, with a rate over the last seconds, told at most every kReportEvery.
// Threads: one at a time. The callback runs on the thread that fetches and must not block.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace slipway::store {

struct FetchProgress {
  std::string_view phase;       // "wait" (another process fetches it), "download", "verify"
  std::uint64_t done = 0;       // bytes
  std::uint64_t total = 0;      // bytes; 0 = unknown
  double bytes_per_second = 0;  // 0 = not known yet
  std::optional<base::Duration> left;
};
using OnFetchProgress = std::function<void(const FetchProgress&)>;

class ProgressMeter {
 public:
  static constexpr std::chrono::milliseconds kReportEvery{200};
  explicit ProgressMeter(OnFetchProgress on_progress) : on_progress_(std::move(on_progress)) {}
  // Begins a phase; bytes that were there before (`done`) do not count in the rate.
  void start(std::string_view phase, std::uint64_t done, std::uint64_t total);
  void update(std::uint64_t done, base::MonotonicTime now = base::monotonic_now());
  void set_total(std::uint64_t total) { state_.total = total; }

 private:
  void report(base::MonotonicTime now);
  OnFetchProgress on_progress_;
  FetchProgress state_;
  base::MonotonicTime reported_{};
  // The rate is exponentially averaged with this time constant.
  static constexpr double kRateSeconds = 3;
  base::MonotonicTime measured_{};
  std::uint64_t measured_done_ = 0;
};

}  // namespace slipway::store
