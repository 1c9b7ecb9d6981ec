#include "cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "codec/suggest.h"

namespace slipway::cli {
namespace {

struct Range {
  char32_t first, last;
};

// The blocks whose characters take two columns (Unicode TR11 "wide" and "fullwidth", by block).
constexpr auto kWide = std::to_array<Range>({
    {0x1100, 0x115f},
    {0x2e80, 0x303e},
    {0x3041, 0x33ff},
    {0x3400, 0x4dbf},
    {0x4e00, 0x9fff},
    {0xa000, 0xa4cf},
    {0xac00, 0xd7a3},
    {0xf900, 0xfaff},
    {0xfe30, 0xfe4f},
    {0xff00, 0xff60},
    {0xffe0, 0xffe6},
    {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff},
    {0x1f900, 0x1f9ff},
    {0x20000, 0x3fffd},
});
constexpr auto kZero = std::to_array<Range>({
    {0x0300, 0x036f},
    {0x0483, 0x0489},
    {0x0591, 0x05bd},
    {0x200b, 0x200f},
    {0x20d0, 0x20ff},
    {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f},
    {0xfeff, 0xfeff},
});

template <std::size_t N>
bool contains(const std::array<Range, N>& ranges, char32_t c) {
  return std::ranges::any_of(ranges, [c](const Range& r) { return c >= r.first && c <= r.last; });
}

// Takes one character from the front. A byte that is not UTF-8 is a character of its own.
char32_t take(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 1
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 1;
  char32_t c = length == 1 ? lead : lead & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size() || (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      text.remove_prefix(1);
      return lead;
    }
    c = (c << 6) | (static_cast<unsigned char>(text[i]) & 0x3f);
  }
  text.remove_prefix(length);
  return c;
}

std::size_t width_of(char32_t c) {
  if (c < 0x20 || c == 0x7f || contains(kZero, c)) return 0;
  return contains(kWide, c) ? 2 : 1;
}

// Skips "ESC [ ... letter"; true when there was one.
bool skip_escape(std::string_view& text) {
  if (!text.starts_with("\x1b[")) return false;
  std::size_t i = 2;
  while (i < text.size() && !(text[i] >= '@' && text[i] <= '~')) ++i;
  text.remove_prefix(std::min(i + 1, text.size()));
  return true;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    if (skip_escape(text)) continue;
    columns += width_of(take(text));
  }
  return columns;
}

std::string truncate(std::string_view text, std::size_t columns, bool unicode) {
  if (display_width(text) <= columns) return std::string(text);
  const std::string_view mark = unicode ? "\u2026" : "...";
  const std::size_t mark_width = unicode ? 1 : 3;
  if (columns <= mark_width) return std::string(columns, '.');
  std::string_view rest = text;
  std::size_t used = 0;
  while (!rest.empty()) {
    std::string_view next = rest;
    const std::size_t width = width_of(take(next));
    if (used + width > columns - mark_width) break;
    used += width;
    rest = next;
  }
  return std::string(text.substr(0, text.size() - rest.size())).append(mark);
}

std::string pad_right(std::string_view text, std::size_t columns) {
  const std::size_t width = display_width(text);
  return std::string(text).append(width < columns ? columns - width : 0, ' ');
}

std::string pad_left(std::string_view text, std::size_t columns) {
  const std::size_t width = display_width(text);
  return std::string(width < columns ? columns - width : 0, ' ').append(text);
}

std::string wrap(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (word.empty()) continue;
    const std::size_t width = display_width(word);
    if (used > 0 && used + 1 + width > columns) {
      out.append("\n").append(indent, ' ');
      used = 0;
    }
    if (used > 0) out += ' ', ++used;
    out.append(word);
    used += width;
  }
  return out;
}

std::string counted(double n, std::string_view noun) {
  if (n < 1) return fmt::format("no {}", noun);
  return fmt::format("{:.0f} {}{}", n, noun, n < 2 ? "" : "s");
}

std::string without_controls(std::string_view text) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    if ((byte < 0x20 && out[i] != '\n' && out[i] != '\t') || byte == 0x7f) out[i] = '?';
    const bool c1 =
        byte == 0xc2 && i + 1 < out.size() && (static_cast<unsigned char>(out[i + 1]) & 0xe0) == 0x80;
    if (c1) out[i] = out[i + 1] = '?';
  }
  return out;
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  const std::string_view found = codec::suggest(word, views);
  if (found.empty()) return std::nullopt;
  return std::string(found);
}

}  // namespace slipway::cli
