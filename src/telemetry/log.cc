#include "telemetry/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>

namespace slipway::telemetry {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Length of the valid UTF-8 character at the front of `text` (Unicode 15, table 3-7), 0 when there is none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Length of the run of printable ASCII at the front that JSON writes as it is.
std::size_t plain_length(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && text[n] >= 0x20 && text[n] < 0x7F && text[n] != '"' && text[n] != '\\') ++n;
  return n;
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
    out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  else
    out += c;
}

// The second is formatted once and kept: a busy gateway writes thousands of records a second.
void append_time(std::string& out, base::WallTime now) {
  thread_local std::int64_t cached_second = -1;
  thread_local std::string cached;
  const std::int64_t ms = now.time_since_epoch().count();
  const std::int64_t second = ms / 1000;
  if (second != cached_second) {
    cached = base::to_rfc3339(now).substr(0, 20);  // "2026-11-24T06:55:01."
    cached_second = second;
  }
  const auto part = static_cast<int>(ms % 1000);
  out += cached;
  out += static_cast<char>('0' + part / 100);
  out += static_cast<char>('0' + part / 10 % 10);
  out += static_cast<char>('0' + part % 10);
  out += 'Z';
}

struct ValueWriter {
  std::string& out;
  void operator()(std::string_view text) const { append_json_string(out, text); }
  void operator()(std::int64_t n) const { fmt::format_to(std::back_inserter(out), "{}", n); }
  void operator()(bool b) const { out += b ? "true" : "false"; }
  void operator()(double d) const {
    if (std::isfinite(d))
      fmt::format_to(std::back_inserter(out), "{}", d);
    else
      out += "null";
  }
};

void write_stderr(std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody to tell
    lines.remove_prefix(static_cast<std::size_t>(n));
  }
}

LogSink& sink() {
  static LogSink current = write_stderr;
  return current;
}

std::atomic<Level> g_level{Level::info};

}  // namespace

std::string_view level_name(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
  }
  return "error";
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t at = 0;
  while (at < text.size()) {
    if (at >= kMaxFieldBytes) {
      fmt::format_to(std::back_inserter(out), "[cut {} bytes]", text.size() - at);
      break;
    }
    // Most text is plain: whole runs of it are copied at once.
    const std::size_t plain = plain_length(text.substr(at, kMaxFieldBytes - at));
    out += text.substr(at, plain);
    at += plain;
    if (at == text.size() || at >= kMaxFieldBytes) continue;
    const std::size_t length = character_length(text.substr(at));
    if (length == 0)
      out += kReplacement;
    else if (length == 1)
      append_ascii(out, text[at]);
    else
      out += text.substr(at, length);
    at += length == 0 ? 1 : length;
  }
  out += '"';
}

void append_record(std::string& out, base::WallTime now, Level level, std::string_view event,
                   std::string_view message, std::initializer_list<Field> fields) {
  out += "{\"ts\":\"";
  append_time(out, now);
  out += "\",\"level\":\"";
  out += level_name(level);
  out += "\",\"event\":";
  append_json_string(out, event);
  out += ",\"msg\":";
  append_json_string(out, message);
  for (const Field& field : fields) {
    out += ',';
    append_json_string(out, field.name);
    out += ':';
    std::visit(ValueWriter{out}, field.value);
  }
  out += "}\n";
}

void set_log_sink(LogSink new_sink) {
  sink() = std::move(new_sink);
}

void set_log_level(Level level) {
  g_level.store(level, std::memory_order_relaxed);
}

void log(Level level, std::string_view event, std::string_view message, std::initializer_list<Field> fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  thread_local std::string line;
  line.clear();
  append_record(line, base::wall_now(), level, event, message, fields);
  sink()(line);
}

void LogBuffer::write(base::WallTime now, Level level, std::string_view event, std::string_view message,
                      std::initializer_list<Field> fields) {
  append_record(lines_, now, level, event, message, fields);
  if (lines_.size() >= kFlushBytes) flush();
}

void LogBuffer::flush() {
  if (lines_.empty()) return;
  sink()(lines_);
  lines_.clear();
}

}  // namespace slipway::telemetry
