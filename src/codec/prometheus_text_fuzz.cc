// Any text: every sample is a view of it, and its labels can be asked for.
#include "codec/serving_metrics.h"

#include "codec/prometheus_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::codec;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_prometheus(text, [](const PrometheusSample& sample) {
    if (sample.name.empty()) __builtin_trap();
    for (const char* label : {"le", "model_name"})
      if (prometheus_label(sample.labels, label).size() > sample.labels.size()) __builtin_trap();
  });
  const ServingCounters counters = read_serving_metrics(text);
  if (counters.requests && !(*counters.requests >= 0)) __builtin_trap();
  return 0;
}
