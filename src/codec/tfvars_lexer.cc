#include "codec/tfvars_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace slipway::codec {
namespace {

using base::Result;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int hex(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

constexpr std::string_view kNoTemplates =
    "templates (${...}, %{...}) are not supported in a variables file; write $${ for the two characters";

std::size_t indentation(std::string_view line) {
  return std::min(line.find_first_not_of(" \t"), line.size());
}

std::string_view trim(std::string_view line) {
  line.remove_prefix(indentation(line));
  const std::size_t last = line.find_last_not_of(" \t\r");
  return line.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

void TfLexer::advance(std::size_t n) {
  for (; n > 0 && !done(); --n, ++at_) {
    if (text_[at_] == '\n') {
      ++place_.line;
      place_.column = 1;
    } else {
      ++place_.column;
    }
  }
}

bool TfLexer::take(char c) {
  if (done() || peek() != c) return false;
  advance();
  return true;
}

bool TfLexer::at_line_end() const {
  return done() || peek() == '\n' || peek() == '#' || (peek() == '/' && peek(1) == '/') ||
         (peek() == '\r' && peek(1) == '\n');
}

Result<void> TfLexer::skip(bool newlines) {
  while (!done()) {
    const char c = peek();
    if (c == ' ' || c == '\t' || c == '\r' || (newlines && c == '\n')) {
      advance();
    } else if (c == '#' || (c == '/' && peek(1) == '/')) {
      while (!done() && peek() != '\n') advance();
    } else if (c == '/' && peek(1) == '*') {
      const Place start = place_;
      const std::size_t end = text_.find("*/", at_ + 2);
      if (end == std::string_view::npos) return error(start, "a comment /* is never closed", 2);
      advance(end + 2 - at_);
    } else {
      break;
    }
  }
  return {};
}

std::string_view TfLexer::identifier() {
  if (done() || !is_letter(peek())) return {};
  const std::size_t start = at_;
  while (!done() && (is_letter(peek()) || is_digit(peek()) || peek() == '-')) advance();
  return text_.substr(start, at_ - start);
}

Result<void> TfLexer::code_point(std::string& out, int digits) {
  const Place start = place_;
  std::uint32_t value = 0;
  for (int i = 0; i < digits; ++i) {
    const int h = hex(peek());
    if (done() || h < 0) return error(start, fmt::format("this escape needs {} hexadecimal digits", digits));
    value = value * 16 + static_cast<std::uint32_t>(h);
    advance();
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
    return error(start, "this escape names no character");
  append_utf8(out, value);
  return {};
}

Result<void> TfLexer::escape(std::string& out) {
  const Place start = place_;
  advance();
  const char c = peek();
  advance();
  switch (c) {
    case 'n':
      out += '\n';
      return {};
    case 'r':
      out += '\r';
      return {};
    case 't':
      out += '\t';
      return {};
    case '"':
      out += '"';
      return {};
    case '\\':
      out += '\\';
      return {};
    case 'u':
      return code_point(out, 4);
    case 'U':
      return code_point(out, 8);
    default:
      return error(start, R"(unknown escape; \n \r \t \" \\ \uXXXX \UXXXXXXXX exist)", 2);
  }
}

Result<bool> TfLexer::marker(std::string& out) {
  const char c = peek();
  if (c != '$' && c != '%') return false;
  if (peek(1) == '{') return error(place_, std::string(kNoTemplates), 2);
  if (peek(1) != c || peek(2) != '{') return false;
  out += c;
  out += '{';
  advance(3);
  return true;
}

Result<std::string> TfLexer::quoted() {
  const Place start = place_;
  std::string out;
  advance();
  while (!done() && peek() != '\n') {
    if (take('"')) return out;
    SLIPWAY_TRY(const bool special, marker(out));
    if (special) continue;
    if (peek() == '\\') {
      SLIPWAY_RETURN_IF_ERROR(escape(out));
    } else {
      out += peek();
      advance();
    }
  }
  return error(start, "this text is not closed on its line; write <<EOT for several lines");
}

std::string_view TfLexer::line() {
  const std::size_t start = at_;
  const std::size_t end = std::min(text_.find('\n', at_), text_.size());
  advance(end + 1 - start);
  const std::string_view out = text_.substr(start, end - start);
  return out.ends_with('\r') ? out.substr(0, out.size() - 1) : out;
}

// The markers of a heredoc's body; a heredoc has no other escapes.
Result<std::string> TfLexer::unmark(std::string_view body, Place start) const {
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const bool sign = body[i] == '$' || body[i] == '%';
    if (sign && body.substr(i + 1).starts_with('{')) return error(start, std::string(kNoTemplates), 2);
    if (sign && i + 2 < body.size() && body[i + 1] == body[i] && body[i + 2] == '{') {
      out += body[i];
      out += '{';
      i += 2;
    } else {
      out += body[i];
    }
  }
  return out;
}

Result<std::string> TfLexer::heredoc() {
  const Place start = place_;
  advance(2);
  const bool strip = take('-');
  const std::string_view end = identifier();
  if (end.empty() || !trim(line()).empty())
    return error(start, "a heredoc begins with <<WORD alone on the rest of its line", 2);
  std::vector<std::string_view> lines;
  while (!done()) {
    const std::size_t before = at_;
    const std::string_view one = line();
    if (trim(one) == end) {
      // The newline after the closing word ends the attribute, so it is given back.
      if (at_ > before && text_[at_ - 1] == '\n') {
        --at_;
        --place_.line;
        place_.column = static_cast<int>(at_ - before) + 1;
      }
      std::size_t cut = strip ? std::string_view::npos : 0;
      for (const std::string_view l : lines)
        if (!trim(l).empty()) cut = std::min(cut, indentation(l));
      std::string body;
      for (const std::string_view l : lines) body += fmt::format("{}\n", l.substr(std::min(cut, l.size())));
      return unmark(body, start);
    }
    lines.push_back(one);
  }
  return error(start, fmt::format("the heredoc is never closed by a line '{}'", end.substr(0, 60)), 2);
}

}  // namespace slipway::codec
