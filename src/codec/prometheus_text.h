// Samples of Prometheus' text format 0.0.4 (and of OpenMetrics, as far as they agree), line by line.
//
// A line that is none is passed over: what reads metrics must not fail because a server has one line wrong.
// Pure; linear. Source: https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace slipway::codec {

struct PrometheusSample {
  std::string_view name;
  std::string_view labels;  // between the braces, as written; see prometheus_label()
  double value = 0;         // may be NaN or infinite
};

// Views are of `text`.
void read_prometheus(std::string_view text, const std::function<void(const PrometheusSample&)>& on_sample);
// The value of a label, unescaped; empty where there is none.
std::string prometheus_label(std::string_view labels, std::string_view name);

}  // namespace slipway::codec
