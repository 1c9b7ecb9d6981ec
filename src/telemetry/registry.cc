// Series storage and the Prometheus text format. One mutex guards the maps; values are atomics outside of it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <set>

#include "base/check.h"
#include "telemetry/metrics.h"

namespace slipway::telemetry {

void Gauge::set(double v) {
  value_.store(v, std::memory_order_relaxed);
  known_.store(true, std::memory_order_release);
}

void Gauge::add(double d) {
  value_.fetch_add(d, std::memory_order_relaxed);
  known_.store(true, std::memory_order_release);
}

void Gauge::clear() {
  known_.store(false, std::memory_order_release);
  value_.store(0, std::memory_order_relaxed);
}

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds), counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds.size() + 1)) {}

void Histogram::observe(double v) {
  if (std::isnan(v)) return;
  const auto bucket = static_cast<std::size_t>(std::ranges::lower_bound(bounds_, v) - bounds_.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(v, std::memory_order_relaxed);
}

namespace {

using LabelValues = std::vector<std::string>;

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
}

// OpenMetrics' canonical float: whole numbers keep ".0".
std::string bound_text(double bound) {
  std::string text = fmt::format("{}", bound);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// vLLM's word for one of our labels.
std::string_view vllm_label(std::string_view label) {
  if (label == "model") return "model_name";
  if (label == "finish_reason") return "finished_reason";
  return label;
}

// `a="x",b="y"` without braces. For an alias: vLLM's label names, without the label that selected the series.
std::string label_text(const MetricInfo& row, const LabelValues& values, const MetricAlias* alias) {
  std::string text = alias != nullptr ? "engine=\"0\"" : "";
  for (std::size_t i = 0; i < row.labels.size(); ++i) {
    if (alias != nullptr && row.labels[i] == alias->label) continue;
    if (!text.empty()) text += ',';
    text += alias != nullptr ? vllm_label(row.labels[i]) : row.labels[i];
    text += "=\"";
    append_escaped(text, values[i]);
    text += '"';
  }
  return text;
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                   std::string_view value) {
  out += name;
  out += suffix;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

void append_header(std::string& out, std::string_view name, const MetricInfo& row) {
  const std::string_view type = row.type == MetricType::gauge       ? "gauge"
                                : row.type == MetricType::histogram ? "histogram"
                                                                    : "counter";
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, row.help, name, type);
}

bool selects(const MetricInfo& row, const MetricAlias& alias, const LabelValues& values) {
  if (alias.label.empty()) return true;
  for (std::size_t i = 0; i < row.labels.size(); ++i)
    if (row.labels[i] == alias.label) return values[i] == alias.value;
  return false;
}

}  // namespace

struct Registry::Impl {
  struct Series {
    Counter counter;
    Gauge gauge;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    std::map<LabelValues, std::unique_ptr<Series>> series;
    std::vector<std::set<std::string, std::less<>>> seen;  // per label: the values it took so far
  };

  Series& find(Metric metric, std::initializer_list<std::string_view> label_values) {
    const MetricInfo& row = info(metric);
    SLIPWAY_CHECK(label_values.size() == row.labels.size());
    std::lock_guard lock(mutex);
    Family& family = families[static_cast<std::size_t>(metric)];
    family.seen.resize(row.labels.size());
    LabelValues values = capped(family, label_values);
    auto& slot = family.series[std::move(values)];
    if (!slot) {
      slot = std::make_unique<Series>();
      if (row.type == MetricType::histogram) slot->histogram.reset(new Histogram(row.buckets));
    }
    return *slot;
  }

  static LabelValues capped(Family& family, std::initializer_list<std::string_view> label_values) {
    LabelValues values;
    std::size_t label = 0;
    for (const std::string_view value : label_values) {
      auto& seen = family.seen[label++];
      if (!seen.contains(value)) {
        if (seen.size() >= kMaxLabelValues) {
          values.emplace_back("other");
          continue;
        }
        seen.emplace(value);
      }
      values.emplace_back(value);
    }
    if (family.series.size() >= kMaxSeries && !family.series.contains(values))
      std::ranges::fill(values, std::string("other"));
    return values;
  }

  static bool printable(const MetricInfo& row, const Series& series) {
    const bool set_from_outside = row.type == MetricType::gauge || row.type == MetricType::sampled;
    return !set_from_outside || series.gauge.known_.load(std::memory_order_acquire);
  }

  static void append_histogram(std::string& out, std::string_view name, const std::string& labels,
                               const Histogram& histogram) {
    std::uint64_t total = 0;
    const std::string comma = labels.empty() ? "" : ",";
    for (std::size_t i = 0; i <= histogram.bounds_.size(); ++i) {
      total += histogram.counts_[i].load(std::memory_order_relaxed);
      const std::string bound = i < histogram.bounds_.size() ? bound_text(histogram.bounds_[i]) : "+Inf";
      append_sample(out, name, "_bucket", labels + comma + "le=\"" + bound + "\"", std::to_string(total));
    }
    append_sample(out, name, "_sum", labels,
                  fmt::format("{}", histogram.sum_.load(std::memory_order_relaxed)));
    append_sample(out, name, "_count", labels, std::to_string(total));
  }

  static void append_series(std::string& out, const MetricInfo& row, std::string_view name,
                            const std::string& labels, const Series& series) {
    if (row.type == MetricType::histogram) return append_histogram(out, name, labels, *series.histogram);
    const std::string value = row.type == MetricType::counter
                                  ? std::to_string(series.counter.value())
                                  : fmt::format("{}", series.gauge.value_.load(std::memory_order_relaxed));
    append_sample(out, name, "", labels, value);
  }

  static void append_family(std::string& out, const MetricInfo& row, const Family& family,
                            const MetricAlias* alias) {
    const std::string_view name = alias != nullptr ? alias->name : row.name;
    bool header = false;
    for (const auto& [values, series] : family.series) {
      if (!printable(row, *series) || (alias != nullptr && !selects(row, *alias, values))) continue;
      if (!header) append_header(out, name, row);
      header = true;
      append_series(out, row, name, label_text(row, values, alias), *series);
    }
  }

  mutable std::mutex mutex;
  std::vector<Family> families{all_metrics().size()};  // guarded by mutex; values inside are atomics
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(Metric metric, std::initializer_list<std::string_view> label_values) {
  SLIPWAY_CHECK(info(metric).type == MetricType::counter);
  return impl_->find(metric, label_values).counter;
}

Gauge& Registry::gauge(Metric metric, std::initializer_list<std::string_view> label_values) {
  SLIPWAY_CHECK(info(metric).type == MetricType::gauge || info(metric).type == MetricType::sampled);
  return impl_->find(metric, label_values).gauge;
}

Histogram& Registry::histogram(Metric metric, std::initializer_list<std::string_view> label_values) {
  SLIPWAY_CHECK(info(metric).type == MetricType::histogram);
  return *impl_->find(metric, label_values).histogram;
}

std::string Registry::render(bool aliases) const {
  std::string out;
  std::lock_guard lock(impl_->mutex);
  for (std::size_t i = 0; i < impl_->families.size(); ++i) {
    const MetricInfo& row = all_metrics()[i];
    Impl::append_family(out, row, impl_->families[i], nullptr);
    if (!aliases) continue;
    for (const MetricAlias& alias : row.aliases) Impl::append_family(out, row, impl_->families[i], &alias);
  }
  return out;
}

}  // namespace slipway::telemetry
