#include "telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <thread>

namespace slipway::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Compares with a file of the repository; SLIPWAY_UPDATE=1 writes it instead.
void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(SLIPWAY_SOURCE_DIR) + "/" + name;
  if (std::getenv("SLIPWAY_UPDATE") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(read_text(path), text) << name << " is stale: run telemetry_test with SLIPWAY_UPDATE=1";
}

TEST(Metrics, RenderMatchesTheGoldenText) {
  Registry registry;
  registry.gauge(Metric::build_info, {"0.1.0", "worker"}).set(1);
  registry.counter(Metric::tokens, {"smol", "input"}).add(931);
  registry.counter(Metric::tokens, {"smol", "output"}).add(48);
  registry.counter(Metric::requests_finished, {"smol", "length"}).add(3);
  registry.counter(Metric::requests_finished, {"smol", "stop"});
  registry.gauge(Metric::kv_usage, {"smol"}).set(0.25);
  registry.gauge(Metric::process_cpu).set(13.34);
  Histogram& first_token = registry.histogram(Metric::time_to_first_token, {"smol"});
  for (const double v : {0.125, 0.75, 2.0, 5000.0}) first_token.observe(v);
  registry.histogram(Metric::request_phase, {"smol", "queue"}).observe(0.25);
  expect_golden("tests/golden/metrics.txt", registry.render(true));
}

TEST(Metrics, DocumentationIsUpToDate) {
  expect_golden("docs/metrics.md", metrics_markdown());
}

TEST(Metrics, CounterReadsZeroFromItsLookUpOn) {
  Registry registry;
  EXPECT_EQ(registry.render(false), "");
  registry.counter(Metric::preemptions, {"m"});
  EXPECT_THAT(registry.render(false), HasSubstr("llm_preemptions_total{model=\"m\"} 0\n"));
}

TEST(Metrics, UnknownGaugeIsAbsentAndClearMakesItUnknownAgain) {
  Registry registry;
  Gauge& gauge = registry.gauge(Metric::connections);
  EXPECT_EQ(registry.render(false), "");
  gauge.add(2);
  gauge.add(-1);
  EXPECT_THAT(registry.render(false), HasSubstr("slipway_gateway_connections 1\n"));
  gauge.clear();
  EXPECT_EQ(registry.render(false), "");
}

TEST(Metrics, TheSameLabelsGiveTheSameSeries) {
  Registry registry;
  EXPECT_EQ(&registry.counter(Metric::retries, {"a"}), &registry.counter(Metric::retries, {"a"}));
  EXPECT_NE(&registry.counter(Metric::retries, {"a"}), &registry.counter(Metric::retries, {"b"}));
}

TEST(Metrics, LabelValuesBeyondTheCapAreCountedUnderOther) {
  Registry registry;
  for (std::size_t i = 0; i < kMaxLabelValues + 10; ++i)
    registry.counter(Metric::retries, {std::to_string(i)}).add();
  const std::string text = registry.render(false);
  EXPECT_THAT(text, HasSubstr("slipway_gateway_retries_total{model=\"other\"} 10\n"));
  EXPECT_THAT(text, Not(HasSubstr("model=\"" + std::to_string(kMaxLabelValues) + "\"")));
  registry.counter(Metric::retries, {"7"}).add();
  EXPECT_THAT(registry.render(false), HasSubstr("slipway_gateway_retries_total{model=\"7\"} 2\n"));
}

TEST(Metrics, SeriesBeyondTheCapAreCountedUnderOther) {
  Registry registry;
  for (std::size_t i = 0; i < kMaxSeries + 5; ++i)
    registry.counter(Metric::upstream_errors, {std::to_string(i / 64), std::to_string(i % 64)}).add();
  const std::string text = registry.render(false);
  EXPECT_THAT(text, HasSubstr("slipway_gateway_upstream_errors_total{model=\"other\",code=\"other\"} 5\n"));
}

TEST(Metrics, LabelValuesAreEscaped) {
  Registry registry;
  registry.counter(Metric::retries, {"a\"b\\c\nd"});
  EXPECT_THAT(registry.render(false), HasSubstr(R"(model="a\"b\\c\nd")"));
}

TEST(Metrics, AValueOnABoundCountsInThatBucketAndNanNowhere) {
  Registry registry;
  Histogram& histogram = registry.histogram(Metric::time_to_first_token, {"m"});
  histogram.observe(2.0);
  histogram.observe(std::numeric_limits<double>::quiet_NaN());
  const std::string text = registry.render(false);
  EXPECT_THAT(text, HasSubstr("le=\"1.0\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("le=\"2.0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("_seconds_count{model=\"m\"} 1\n"));
}

TEST(Metrics, ConcurrentObservationsAreAllCounted) {
  Registry registry;
  Histogram& histogram = registry.histogram(Metric::step_tokens, {"m"});
  Counter& counter = registry.counter(Metric::retries, {"m"});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 5000; ++i) histogram.observe(1), counter.add();
      });
  }
  EXPECT_EQ(counter.value(), 20000u);
  EXPECT_THAT(registry.render(false), HasSubstr("llm_step_tokens_sum{model=\"m\"} 20000\n"));
}

TEST(Metrics, EverySloThresholdIsABucketBound) {
  for (const SloThreshold& slo : slo_thresholds())
    EXPECT_TRUE(std::ranges::count(info(slo.metric).buckets, slo.seconds) == 1) << info(slo.metric).name;
}

TEST(Metrics, TheTableKeepsItsRules) {
  std::set<std::string_view> names;
  for (const MetricInfo& row : all_metrics()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    for (const MetricAlias& alias : row.aliases) {
      EXPECT_TRUE(names.insert(alias.name).second) << alias.name;
      EXPECT_TRUE(alias.label.empty() || std::ranges::count(row.labels, alias.label) == 1) << alias.name;
    }
    const bool counts = row.type == MetricType::counter || row.type == MetricType::sampled;
    EXPECT_EQ(row.name.ends_with("_total"), counts) << row.name;
    EXPECT_EQ(row.type == MetricType::histogram, !row.buckets.empty()) << row.name;
    EXPECT_TRUE(std::ranges::is_sorted(row.buckets)) << row.name;
    if (row.unit == "seconds" || row.unit == "bytes") EXPECT_THAT(std::string(row.name), HasSubstr(row.unit));
    EXPECT_TRUE(row.help.ends_with('.')) << row.name;
  }
}

// Names and types as vLLM 0.32 prints them ("# TYPE" lines of its /metrics).
TEST(Metrics, AliasesAreNamesOfVllm) {
  const std::string recorded =
      read_text(std::string(SLIPWAY_SOURCE_DIR) + "/tests/golden/vllm-0.32-types.txt");
  ASSERT_FALSE(recorded.empty());
  for (const MetricInfo& row : all_metrics())
    for (const MetricAlias& alias : row.aliases) {
      const std::string type = row.type == MetricType::histogram ? "histogram"
                               : row.type == MetricType::gauge   ? "gauge"
                                                                 : "counter";
      EXPECT_THAT(recorded, HasSubstr(std::string(alias.name) + " " + type + "\n"));
    }
}

}  // namespace
}  // namespace slipway::telemetry
