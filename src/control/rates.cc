#include "control/rates.h"

#include <algorithm>
#include <numeric>

namespace slipway::control {

std::optional<double> quantile(std::span<const double> bounds, std::span<const std::uint64_t> counts,
                               double q) {
  const auto total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (total == 0) return std::nullopt;
  const double wanted = q * static_cast<double>(total);
  double below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= wanted) {
      if (i == bounds.size())
        return bounds.empty() ? 0 : bounds.back();  // beyond the last bound: at least that
      const double low = i == 0 ? 0 : bounds[i - 1];
      return low + (bounds[i] - low) * std::clamp((wanted - below) / here, 0.0, 1.0);
    }
    below += here;
  }
  return bounds.empty() ? 0 : bounds.back();
}

void RateWindow::add(Sample sample) {
  samples_.push_back(std::move(sample));
  while (samples_.size() > 2 && samples_.back().at - samples_[1].at >= kWindow) samples_.pop_front();
}

Rates RateWindow::rates(std::span<const double> ttft_bounds) const {
  Rates r;
  if (samples_.size() < 2) return r;
  const Sample &a = samples_.front(), &b = samples_.back();
  const double seconds = base::seconds(b.at - a.at);
  if (seconds <= 0) return r;
  const auto rate = [seconds](auto from, auto to) {
    return to > from ? static_cast<double>(to - from) / seconds : 0.0;
  };
  r.requests_per_s = rate(a.requests, b.requests);
  r.prompt_tokens_per_s = rate(a.prompt_tokens, b.prompt_tokens);
  r.output_tokens_per_s = rate(a.output_tokens, b.output_tokens);
  r.cpu_percent = 100 * rate(a.cpu_seconds, b.cpu_seconds);
  if (b.prefix_queried > a.prefix_queried)
    r.prefix_hit_ratio = static_cast<double>(b.prefix_hit - a.prefix_hit) /
                         static_cast<double>(b.prefix_queried - a.prefix_queried);
  std::vector<std::uint64_t> ttft = b.ttft;
  for (std::size_t i = 0; i < std::min(ttft.size(), a.ttft.size()); ++i) ttft[i] -= a.ttft[i];
  const auto ms = [](std::optional<double> s) { return s ? std::optional(*s * 1000) : std::nullopt; };
  r.ttft_ms_p50 = ms(quantile(ttft_bounds, ttft, 0.5));
  r.ttft_ms_p99 = ms(quantile(ttft_bounds, ttft, 0.99));
  return r;
}

}  // namespace slipway::control
