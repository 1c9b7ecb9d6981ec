#include "codec/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::codec {
namespace {

// The text of a 1-based line; nothing for a line that the text does not have.
std::string_view line_of(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  return text.ends_with('\r') ? text.substr(0, text.size() - 1) : text;
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// Bytes of one line around a column: `shown` starts at byte `first` of the line.
struct Window {
  std::string_view shown;
  std::size_t first = 0;
};
Window window(std::string_view line, std::size_t column) {
  std::size_t first = 0;
  if (line.size() > kMaxShownLine && column > kMaxShownLine / 2)
    first = std::min(column - kMaxShownLine / 2, line.size() - kMaxShownLine);
  std::size_t last = std::min(line.size(), first + kMaxShownLine);
  while (first > 0 && first < line.size() && is_continuation(line[first])) --first;
  while (last < line.size() && is_continuation(line[last])) ++last;
  return {line.substr(first, last - first), first};
}

std::string printable(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

}  // namespace

std::string at(std::string_view name, Place place) {
  const std::string_view shown = name.empty() ? "input" : name;
  return place.line > 0 ? fmt::format("{}:{}:{}", shown, place.line, place.column) : std::string(shown);
}

std::string point(const Source& source, Place place, std::size_t width) {
  if (place.line < 1 || source.text.empty()) return {};
  const std::string_view line = line_of(source.text, place.line);
  const std::size_t column = std::min(static_cast<std::size_t>(std::max(place.column, 1)) - 1, line.size());
  const Window view = window(line, column);
  const std::string number = std::to_string(place.line);
  const std::size_t before = characters(view.shown.substr(0, column - view.first));
  const std::string_view under = view.shown.substr(std::min(column - view.first, view.shown.size()))
                                     .substr(0, std::max<std::size_t>(width, 1));
  const std::size_t marks = std::max<std::size_t>(characters(under), 1);
  return fmt::format("  {} | {}\n  {} | {}^{}", number, printable(view.shown),
                     std::string(number.size(), ' '), std::string(before, ' '), std::string(marks - 1, '~'));
}

Place place_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const std::size_t last = before.rfind('\n');
  const auto lines = std::ranges::count(before, '\n');
  return {.line = static_cast<int>(lines) + 1,
          .column = static_cast<int>(before.size() - (last == std::string_view::npos ? 0 : last + 1)) + 1};
}

base::Error error_at(base::ErrorCode code, const Source& source, Place place, std::string message,
                     std::size_t width) {
  if (place.line > 0 || !source.name.empty()) message += " (" + at(source.name, place) + ")";
  return base::Error(code, std::move(message)).with_detail(point(source, place, width));
}

}  // namespace slipway::codec
