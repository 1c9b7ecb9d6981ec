// The metric registry: one table (metrics.def) declares every metric; code names them by enumerator, never by
// string.
//
// Counters and histograms are arrays of relaxed atomics. Labels are interned once; a handle is a reference to
// the series and stays valid for the registry's life. A label takes at most kMaxLabelValues values and a
// metric kMaxSeries series; what comes after is counted under "other". Unknown gauges are absent, never 0; a
// counter or histogram is printed from its look-up on, so the label sets that are known at start are looked
// up at start and read 0. Names: OpenTelemetry GenAI in Prometheus spelling, `vllm:` aliases on workers; SLO
// thresholds are bucket bounds.
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

// `sampled`: printed as a counter, but set like a gauge from a count that is kept elsewhere (the kernel, the
// engine).
enum class MetricType { counter, gauge, histogram, sampled };

enum class Metric : int {
#define SLIPWAY_METRIC(symbol, name, type, unit, labels, buckets, help, aliases) symbol,
#include "telemetry/metrics.def"
#undef SLIPWAY_METRIC
};

inline constexpr std::size_t kMaxLabelValues = 256;  // distinct values of one label of one metric
inline constexpr std::size_t kMaxSeries = 2048;      // of one metric

// The same series under vLLM's name; with `label`, only the series whose label has that value.
struct MetricAlias {
  std::string_view name, label, value;
};

struct MetricInfo {
  std::string_view symbol, name;
  MetricType type;
  std::string_view unit;  // "seconds", "tokens", "" ; already part of the name
  std::vector<std::string_view> labels;
  std::span<const double> buckets;  // histograms; ascending, without +Inf
  std::string_view help;
  std::vector<MetricAlias> aliases;
};
std::span<const MetricInfo> all_metrics();
const MetricInfo& info(Metric metric);

// Thresholds that alerts and dashboards compare with; each is a bucket bound of its metric.
struct SloThreshold {
  Metric metric;
  double seconds;
};
std::span<const SloThreshold> slo_thresholds();

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
  void clear();  // absent again

 private:
  friend class Registry;
  std::atomic<double> value_{0};
  std::atomic<bool> known_{false};
};

class Histogram {
 public:
  void observe(double v);  // NaN is ignored
  std::span<const double> bounds() const { return bounds_; }
  // A count a bound and one beyond the last, not cumulative.
  std::vector<std::uint64_t> counts() const {
    std::vector<std::uint64_t> out(bounds_.size() + 1);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = counts_[i].load(std::memory_order_relaxed);
    return out;
  }

 private:
  friend class Registry;
  explicit Histogram(std::span<const double> bounds);
  std::span<const double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;  // bounds + 1, not cumulative
  std::atomic<double> sum_{0};
};

// Threads: all of it from anywhere. Look-ups take a mutex: do them once (at start, or per new label set),
// keep the reference. Label values come in the table's order; a wrong number of them or a wrong type is a
// programmer error.
class Registry {
 public:
  Registry();
  ~Registry();
  Counter& counter(Metric metric, std::initializer_list<std::string_view> label_values = {});
  Gauge& gauge(Metric metric,
               std::initializer_list<std::string_view> label_values = {});  // gauge and sampled
  Histogram& histogram(Metric metric, std::initializer_list<std::string_view> label_values = {});
  // Prometheus text format 0.0.4, in the table's order, series sorted by label values. Bucket bounds are
  // written "2.0" (Prometheus 3 normalises to that). `aliases`: print the vllm: names too, with vLLM's label
  // names.
  std::string render(bool aliases) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// docs/metrics.md, generated.
std::string metrics_markdown();

}  // namespace slipway::telemetry
