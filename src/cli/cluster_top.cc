#include "cli/cluster_top.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "control/rates.h"

namespace slipway::cli {
namespace {

using codec::ServingCounters;
using environment::MetricsLook, environment::ReplicaMetrics;
using Field = std::optional<double> ServingCounters::*;

Json known(const std::optional<double>& value) {
  constexpr double kDecimals = 1000;
  return value ? Json(std::round(*value * kDecimals) / kDecimals) : Json();
}

void add(std::optional<double>& sum, const std::optional<double>& value) {
  if (value) sum = sum.value_or(0) + *value;
}

// Whether it counts on from what was seen before: a server that was started anew begins at 0.
bool goes_on(const ServingCounters& before, const ServingCounters& now) {
  for (const Field field : {&ServingCounters::requests, &ServingCounters::prompt_tokens,
                            &ServingCounters::output_tokens, &ServingCounters::prefix_queried})
    if (before.*field && (!(now.*field) || *(now.*field) < *(before.*field))) return false;
  return std::ranges::all_of(before.ttft, [&](const auto& bucket) {
    const auto found = now.ttft.find(bucket.first);
    return found != now.ttft.end() && found->second >= bucket.second;
  });
}

// The replicas of one model: sums of those that count on, in both looks, and of what is now.
struct Sums {
  ServingCounters before, after;  // counters only
  std::optional<double> running, waiting, kv, processors, memory_bytes;
  int kv_of = 0;

  void take(const ReplicaMetrics& now);
  void take_counters(const ServingCounters& b, const ServingCounters& a);
};

void Sums::take(const ReplicaMetrics& now) {
  add(processors, now.processors);
  add(memory_bytes, now.memory_bytes);
  if (!now.counters) return;
  add(running, now.counters->running);
  add(waiting, now.counters->waiting);
  add(kv, now.counters->kv_ratio);
  kv_of += now.counters->kv_ratio ? 1 : 0;
}

void Sums::take_counters(const ServingCounters& b, const ServingCounters& a) {
  for (const Field field :
       {&ServingCounters::requests, &ServingCounters::prompt_tokens, &ServingCounters::output_tokens,
        &ServingCounters::prefix_queried, &ServingCounters::prefix_hit}) {
    add(before.*field, b.*field);
    add(after.*field, a.*field);
  }
  for (const auto& [bound, count] : b.ttft) before.ttft[bound] += count;
  for (const auto& [bound, count] : a.ttft) after.ttft[bound] += count;
}

std::uint64_t count(const std::optional<double>& value) {
  return static_cast<std::uint64_t>(value.value_or(0));
}

control::Sample sample_of(const ServingCounters& counters, base::MonotonicTime at) {
  control::Sample out{.at = at,
                      .requests = count(counters.requests),
                      .prompt_tokens = count(counters.prompt_tokens),
                      .output_tokens = count(counters.output_tokens),
                      .prefix_queried = count(counters.prefix_queried),
                      .prefix_hit = count(counters.prefix_hit),
                      .ttft = {}};
  double below = 0;  // Prometheus counts what is up to a bound, we what is between two
  for (const auto& [bound, up_to] : counters.ttft) {
    out.ttft.push_back(static_cast<std::uint64_t>(std::max(0.0, up_to - below)));
    below = up_to;
  }
  return out;
}

control::Rates rates_of(const Sums& sums, base::MonotonicTime before, base::MonotonicTime now) {
  control::RateWindow window;
  window.add(sample_of(sums.before, before));
  window.add(sample_of(sums.after, now));
  std::vector<double> bounds;
  for (const auto& [bound, up_to] : sums.after.ttft)
    if (std::isfinite(bound)) bounds.push_back(bound);
  return window.rates(bounds);
}

Json model_json(const std::string& id, const Sums& sums, const control::Rates& rates) {
  // A rate of what the server does not count is not known.
  const auto rate = [&](Field field, double value) { return sums.after.*field ? known(value) : Json(); };
  return {{"id", id},
          {"requests_per_s", rate(&ServingCounters::requests, rates.requests_per_s)},
          {"prompt_tokens_per_s", rate(&ServingCounters::prompt_tokens, rates.prompt_tokens_per_s)},
          {"output_tokens_per_s", rate(&ServingCounters::output_tokens, rates.output_tokens_per_s)},
          {"running", known(sums.running)},
          {"waiting", known(sums.waiting)},
          {"kv_ratio", sums.kv ? known(*sums.kv / sums.kv_of) : Json()},
          {"prefix_hit_ratio", known(rates.prefix_hit_ratio)},
          {"ttft_ms_p50", known(rates.ttft_ms_p50)},
          {"ttft_ms_p99", known(rates.ttft_ms_p99)},
          {"cpu_percent", sums.processors ? known(*sums.processors * 100) : Json()},
          {"resident_bytes", known(sums.memory_bytes)}};
}

}  // namespace

Json top_between(const MetricsLook& before, const MetricsLook& now, base::WallTime at) {
  Json models = Json::array(), not_read = Json::array();
  double requests = 0, tokens = 0;
  for (const std::string& id : now.models) {
    Sums sums;
    for (const ReplicaMetrics& replica : now.replicas) {
      if (replica.model != id) continue;
      sums.take(replica);
      if (!replica.why_not.empty())
        not_read.push_back({{"replica", replica.replica}, {"why", replica.why_not}});
      const auto earlier = std::ranges::find(before.replicas, replica.replica, &ReplicaMetrics::replica);
      if (replica.counters && earlier != before.replicas.end() && earlier->counters &&
          goes_on(*earlier->counters, *replica.counters))
        sums.take_counters(*earlier->counters, *replica.counters);
    }
    const control::Rates rates = rates_of(sums, before.at, now.at);
    requests += rates.requests_per_s;
    tokens += rates.output_tokens_per_s;
    models.push_back(model_json(id, sums, rates));
  }
  return {{"at", base::to_rfc3339(at)},
          {"requests_per_s", known(requests)},
          {"tokens_per_s", known(tokens)},
          {"models", models},
          {"not_read", not_read}};
}

}  // namespace slipway::cli
