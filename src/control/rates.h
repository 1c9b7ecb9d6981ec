// What `slipway top` shows: rates over the last seconds, from counters that only grow.
//
// Once a second a sample of every model's counters is taken; a rate is the difference between the newest
// sample and the one kWindow before, divided by the time between them. Percentiles come from the difference
// of histogram buckets, with linear interpolation inside a bucket. Threads: the loop's. Bounds: kWindow + 1
// samples a model.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"

namespace slipway::control {

struct Sample {
  base::MonotonicTime at{};
  std::uint64_t requests = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t output_tokens = 0;
  std::uint64_t prefix_queried = 0, prefix_hit = 0;  // tokens
  double cpu_seconds = 0;                            // of its workers; falls when one is replaced
  std::vector<std::uint64_t> ttft;                   // bucket counts
};

struct Rates {
  double requests_per_s = 0, prompt_tokens_per_s = 0, output_tokens_per_s = 0;
  double cpu_percent = 0;
  std::optional<double> prefix_hit_ratio, ttft_ms_p50, ttft_ms_p99;
};

// The value below which a share `q` of the observations lies; nullopt without observations. `bounds` in
// seconds.
std::optional<double> quantile(std::span<const double> bounds, std::span<const std::uint64_t> counts,
                               double q);

class RateWindow {
 public:
  static constexpr base::Duration kWindow = std::chrono::seconds(5);
  void add(Sample sample);
  Rates rates(std::span<const double> ttft_bounds) const;

 private:
  std::deque<Sample> samples_;  // oldest first
};

}  // namespace slipway::control
