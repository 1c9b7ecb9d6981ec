#include "codec/serving_metrics.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "codec/prometheus_text.h"

namespace slipway::codec {
namespace {

using Field = std::optional<double> ServingCounters::*;

// Of several names of a field the first one counts. vLLM's are those of NIM with "vllm:" before them, of
// Ray's export with "ray_vllm_".
struct Name {
  std::string_view name;
  Field field;
};
constexpr auto kNames = std::to_array<Name>({
    {"num_requests_running", &ServingCounters::running},
    {"llm_requests_running", &ServingCounters::running},
    {"llamacpp:requests_processing", &ServingCounters::running},
    {"num_requests_waiting", &ServingCounters::waiting},
    {"llm_requests_waiting", &ServingCounters::waiting},
    {"llamacpp:requests_deferred", &ServingCounters::waiting},
    {"nv_inference_pending_request_count", &ServingCounters::waiting},
    {"kv_cache_usage_perc", &ServingCounters::kv_ratio},
    {"gpu_cache_usage_perc", &ServingCounters::kv_ratio},
    {"llamacpp:kv_cache_usage_ratio", &ServingCounters::kv_ratio},
    {"request_success_total", &ServingCounters::requests},
    {"slipway_images_requests_finished_total", &ServingCounters::requests},
    {"nv_inference_request_success", &ServingCounters::requests},
    {"prompt_tokens_total", &ServingCounters::prompt_tokens},
    {"llamacpp:prompt_tokens_total", &ServingCounters::prompt_tokens},
    {"generation_tokens_total", &ServingCounters::output_tokens},
    {"llamacpp:tokens_predicted_total", &ServingCounters::output_tokens},
    {"prefix_cache_queries_total", &ServingCounters::prefix_queried},
    {"prefix_cache_hits_total", &ServingCounters::prefix_hit},
});

std::string_view without_prefix(std::string_view name) {
  for (const std::string_view prefix : {"vllm:", "ray_vllm_"})
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  return name;
}

// "0.25", "+Inf"; `unit` in seconds.
std::optional<double> bound_of(const PrometheusSample& sample, double unit) {
  const std::string text = prometheus_label(sample.labels, "le");
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  double bound = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), bound);
  if (failed != std::errc() || end != text.data() + text.size() || !std::isfinite(bound)) return std::nullopt;
  return bound * unit;
}

// Sums of the series by name.
class Reader {
 public:
  void take(const PrometheusSample& sample);
  ServingCounters counters() const;

 private:
  struct Sum {
    double sum = 0;
    int series = 0;
  };
  std::array<Sum, kNames.size()> sums_{};
  std::map<double, double> ttft_, triton_ttft_;
};

void Reader::take(const PrometheusSample& sample) {
  if (!std::isfinite(sample.value) || sample.value < 0) return;
  const std::string_view name = without_prefix(sample.name);
  const bool seconds = name == "time_to_first_token_seconds_bucket";
  if (seconds || name == "nv_inference_first_response_histogram_ms_bucket") {
    if (const auto bound = bound_of(sample, seconds ? 1 : 1e-3))
      (seconds ? ttft_ : triton_ttft_)[*bound] += sample.value;
    return;
  }
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i].name != name) continue;
    sums_[i].sum += sample.value;
    ++sums_[i].series;
  }
}

ServingCounters Reader::counters() const {
  ServingCounters out;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (sums_[i].series == 0 || out.*kNames[i].field) continue;
    out.*kNames[i].field =
        kNames[i].field == &ServingCounters::kv_ratio ? sums_[i].sum / sums_[i].series : sums_[i].sum;
  }
  out.ttft = ttft_.empty() ? triton_ttft_ : ttft_;
  return out;
}

}  // namespace

ServingCounters read_serving_metrics(std::string_view prometheus_text) {
  Reader reader;
  read_prometheus(prometheus_text, [&](const PrometheusSample& sample) { reader.take(sample); });
  return reader.counters();
}

}  // namespace slipway::codec
