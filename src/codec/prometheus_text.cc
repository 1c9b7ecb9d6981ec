#include "codec/prometheus_text.h"

#include <charconv>
#include <limits>
#include <optional>

namespace slipway::codec {
namespace {

constexpr std::string_view kBlank = " \t";

bool name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
}

std::string_view take_name(std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && name_character(text[size])) ++size;
  const std::string_view name = text.substr(0, size);
  text.remove_prefix(size);
  return name;
}

// Where a quoted value that begins at `begin` ends: its closing quote, or npos.
std::size_t closing_quote(std::string_view text, std::size_t begin) {
  for (std::size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i;
  }
  return std::string_view::npos;
}

// The end of "{...}", with whatever stands in quotes; npos when it is not closed.
std::size_t closing_brace(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '}') return i;
    if (text[i] == '"' && (i = closing_quote(text, i + 1)) == std::string_view::npos) break;
  }
  return std::string_view::npos;
}

std::optional<double> value_of(std::string_view text) {
  text = text.substr(0, text.find_first_of(kBlank));  // a time may follow
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "+Inf" || text == "Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<PrometheusSample> sample_of(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  skip_blanks(line);
  PrometheusSample out{.name = take_name(line), .labels = {}};
  if (out.name.empty()) return std::nullopt;  // a comment among them
  skip_blanks(line);
  if (line.starts_with('{')) {
    const std::size_t end = closing_brace(line);
    if (end == std::string_view::npos) return std::nullopt;
    out.labels = line.substr(1, end - 1);
    line.remove_prefix(end + 1);
  }
  skip_blanks(line);
  const auto value = value_of(line);
  if (!value) return std::nullopt;
  out.value = *value;
  return out;
}

}  // namespace

void read_prometheus(std::string_view text, const std::function<void(const PrometheusSample&)>& on_sample) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (const auto sample = sample_of(text.substr(0, end))) on_sample(*sample);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string prometheus_label(std::string_view labels, std::string_view name) {
  while (!labels.empty()) {
    labels.remove_prefix(std::min(labels.find_first_not_of(", \t"), labels.size()));
    const std::string_view here = take_name(labels);
    skip_blanks(labels);
    if (here.empty() || !labels.starts_with('=')) return {};
    labels.remove_prefix(1);
    skip_blanks(labels);
    if (!labels.starts_with('"')) return {};
    const std::size_t end = closing_quote(labels, 1);
    if (end == std::string_view::npos) return {};
    if (here == name) {
      std::string out;
      for (std::size_t i = 1; i < end; ++i) {
        if (labels[i] == '\\') ++i;
        out += labels[i] == 'n' && labels[i - 1] == '\\' ? '\n' : labels[i];
      }
      return out;
    }
    labels.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace slipway::codec
