// The metric registry: one table (metrics.def) declares every metric; code names them by enumerator, never by string.
//
// Counters and histograms are arrays of relaxed atomics. Labels are interned once (label values are capped at
// kMaxLabelValues a metric, the rest become "other"); a handle is a pointer to the series and stays valid for the
// process. Unknown gauges are absent, never 0; counters start at 0 for label sets that are declared with `known()`.
// Names: OpenTelemetry GenAI in Prometheus spelling, `vllm:` aliases on workers; SLO thresholds are bucket bounds.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::telemetry {

enum class MetricType { counter, gauge, histogram };

enum class Metric : int {
#define SLIPWAY_METRIC(symbol, name, type, unit, labels, buckets, help, aliases) symbol,
#include "telemetry/metrics.def"
#undef SLIPWAY_METRIC
};

struct MetricInfo {
  std::string_view symbol, name;
  MetricType type;
  std::string_view unit;                       // "seconds", "tokens", "" ; already part of the name
  std::span<const std::string_view> labels;
  std::span<const double> buckets;             // histograms
  std::string_view help;
  std::span<const std::string_view> aliases;   // extra names the same series is printed under (vllm:...)
};
std::span<const MetricInfo> all_metrics();

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }
 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double v);
  void add(double d);
  void clear();                                // absent again
 private:
  friend class Registry;
  std::atomic<double> value_{0};
  std::atomic<bool> known_{false};
};

class Histogram {
 public:
  void observe(double v);
 private:
  friend class Registry;
  explicit Histogram(std::span<const double> bounds);
  std::span<const double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;  // bounds + 1, not cumulative
  std::atomic<double> sum_{0};
};

// Look-ups take a mutex: do them once (at start, or per new label set), keep the reference.
class Registry {
 public:
  Counter& counter(Metric metric, std::initializer_list<std::string_view> label_values = {});
  Gauge& gauge(Metric metric, std::initializer_list<std::string_view> label_values = {});
  Histogram& histogram(Metric metric, std::initializer_list<std::string_view> label_values = {});
  // Prometheus text format 0.0.4. `aliases`: print the vllm: names too.
  std::string render(bool aliases) const;
  Registry();
  ~Registry();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// docs/metrics.md, generated.
std::string metrics_markdown();

}  // namespace slipway::telemetry
