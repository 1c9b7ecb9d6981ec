#include "telemetry/metrics.h"

#include <fmt/format.h>

#include <array>

#include "base/check.h"

namespace slipway::telemetry {
namespace {

// Bounds. They contain vLLM 0.32's where a metric has an alias, OpenTelemetry GenAI's, and every SLO
// threshold: vLLM has no 2 s bound for the first token, so that `le="2.0"` matches nothing there and a rule
// on it never fires.
constexpr std::array<double, 0> kNone{};
constexpr auto kFirstTokenSeconds =
    std::to_array<double>({.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75, 1,
                           2,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560});
constexpr auto kTokenSeconds = std::to_array<double>(
    {.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80});
constexpr auto kRequestSeconds =
    std::to_array<double>({.01, .02, .04, .08, .16, .3, .5, .8,  1,   1.5, 2,   2.5,  5,
                           10,  15,  20,  30,  40,  50, 60, 120, 240, 480, 960, 1920, 7680});
constexpr auto kFastSeconds = std::to_array<double>({.000001, .000002, .000005, .00001, .00002, .00005, .0001,
                                                     .0002, .0005, .001, .002, .005, .01, .05, .1, 1});
constexpr auto kTokenCounts = std::to_array<double>(
    {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000});
constexpr auto kStepTokens =
    std::to_array<double>({1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384});
constexpr auto kSmallCounts = std::to_array<double>({1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256});

constexpr auto kSlo = std::to_array<SloThreshold>({
    {Metric::time_to_first_token, .5},
    {Metric::time_to_first_token, 2},
    {Metric::time_to_first_token, 5},
    {Metric::inter_token_latency, .05},
    {Metric::inter_token_latency, .1},
    {Metric::time_per_output_token, .1},
    {Metric::request_duration, 10},
    {Metric::request_duration, 30},
    {Metric::request_duration, 60},
});

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    words.push_back(text.substr(0, space));
    text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  }
  return words;
}

// "NAME" or "NAME{label=value}".
MetricAlias parse_alias(std::string_view text) {
  const std::size_t brace = text.find('{');
  if (brace == std::string_view::npos) return {text, {}, {}};
  const std::size_t equals = text.find('=', brace);
  SLIPWAY_CHECK(equals != std::string_view::npos && text.back() == '}');
  return {text.substr(0, brace), text.substr(brace + 1, equals - brace - 1),
          text.substr(equals + 1, text.size() - equals - 2)};
}

std::vector<MetricAlias> parse_aliases(std::string_view text) {
  std::vector<MetricAlias> aliases;
  for (const std::string_view word : split(text)) aliases.push_back(parse_alias(word));
  return aliases;
}

const std::vector<MetricInfo>& table() {
  static const std::vector<MetricInfo> rows = {
#define SLIPWAY_METRIC(symbol, name, type, unit, labels, buckets, help, aliases) \
  {#symbol, name, MetricType::type, unit, split(labels), buckets, help, parse_aliases(aliases)},
#include "telemetry/metrics.def"
#undef SLIPWAY_METRIC
  };
  return rows;
}

std::string_view type_word(MetricType type) {
  switch (type) {
    case MetricType::counter:
    case MetricType::sampled:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      return "histogram";
  }
  return "untyped";
}

}  // namespace

std::span<const MetricInfo> all_metrics() {
  return table();
}

const MetricInfo& info(Metric metric) {
  return table().at(static_cast<std::size_t>(metric));
}

std::span<const SloThreshold> slo_thresholds() {
  return kSlo;
}

std::string metrics_markdown() {
  std::string out =
      "# Metrics\n\nGenerated from `src/telemetry/metrics.def`; do not edit. A gauge that is unknown is "
      "absent. A label "
      "takes at most " +
      std::to_string(kMaxLabelValues) +
      " values, the rest are counted under `other`.\nWorkers print the vLLM names too, with the labels "
      "`model_name` and "
      "`engine`.\n\n| name | type | labels | meaning | vLLM name |\n|---|---|---|---|---|\n";
  for (const MetricInfo& row : table()) {
    std::string aliases;
    for (const MetricAlias& alias : row.aliases) {
      aliases += fmt::format("{}`{}`", aliases.empty() ? "" : " ", alias.name);
      if (!alias.label.empty()) aliases += fmt::format(" ({}={})", alias.label, alias.value);
    }
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", row.name, type_word(row.type),
                       fmt::join(row.labels, " "), row.help, aliases);
  }
  out += "\n## Bucket bounds\n\n";
  for (const MetricInfo& row : table())
    if (!row.buckets.empty()) out += fmt::format("- `{}`: {}\n", row.name, fmt::join(row.buckets, " "));
  return out;
}

}  // namespace slipway::telemetry
