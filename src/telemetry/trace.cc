#include "telemetry/trace.h"

#include <algorithm>
#include <span>

#include "base/ids.h"

namespace slipway::telemetry {
namespace {

constexpr std::size_t kLength = 55;  // of version 00

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool read_hex(std::string_view text, std::span<std::uint8_t> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

std::string hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t b : bytes) {
    text += kDigits[b >> 4];
    text += kDigits[b & 15];
  }
  return text;
}

bool all_zero(std::span<const std::uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; });
}

void fill_random(std::span<std::uint8_t> id) {
  do base::random_bytes(id);
  while (all_zero(id));
}

}  // namespace

std::string TraceContext::trace_id_hex() const {
  return hex(trace_id);
}

std::string TraceContext::span_id_hex() const {
  return hex(span_id);
}

std::optional<TraceContext> parse_traceparent(std::string_view header) {
  if (header.size() < kLength || header[2] != '-' || header[35] != '-' || header[52] != '-')
    return std::nullopt;
  TraceContext context;
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  if (!read_hex(header, version) || version[0] == 0xFF) return std::nullopt;
  if (header.size() > kLength && (version[0] == 0 || header[kLength] != '-')) return std::nullopt;
  if (!read_hex(header.substr(3), context.trace_id) || !read_hex(header.substr(36), context.span_id) ||
      !read_hex(header.substr(53), flags))
    return std::nullopt;
  if (all_zero(context.trace_id) || all_zero(context.span_id)) return std::nullopt;
  context.sampled = (flags[0] & 1) != 0;
  return context;
}

std::string format_traceparent(const TraceContext& context) {
  return "00-" + context.trace_id_hex() + "-" + context.span_id_hex() + (context.sampled ? "-01" : "-00");
}

TraceContext new_trace() {
  TraceContext context;
  fill_random(context.trace_id);
  fill_random(context.span_id);
  context.sampled = true;
  return context;
}

TraceContext child_of(const TraceContext& parent) {
  TraceContext context = parent;
  fill_random(context.span_id);
  return context;
}

}  // namespace slipway::telemetry
