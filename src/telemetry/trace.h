// W3C trace context (https://www.w3.org/TR/trace-context/): reads and writes the `traceparent` header.
// Plain values, no threads. A header that does not parse is ignored by callers, as the specification asks:
// start anew.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::telemetry {

struct TraceContext {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
  bool sampled = false;

  std::string trace_id_hex() const;  // 32 digits
  std::string span_id_hex() const;   // 16 digits
  bool operator==(const TraceContext&) const = default;
};

// "00-<32 hex>-<16 hex>-<2 hex>", lower case. Later versions may add fields after a dash. nullopt for version
// ff, ids of zeros, and anything else.
std::optional<TraceContext> parse_traceparent(std::string_view header);
std::string format_traceparent(const TraceContext& context);

TraceContext new_trace();                           // random ids, sampled
TraceContext child_of(const TraceContext& parent);  // same trace, fresh span id

}  // namespace slipway::telemetry
