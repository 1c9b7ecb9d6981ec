#include "telemetry/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>

#include "base/json_text.h"

namespace slipway::telemetry {
namespace {

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
  std::size_t cut = std::min(text.size(), kMaxFieldBytes);
  if (cut == text.size()) return base::append_json_string(out, text);
  // A character that straddles the cut stays whole (at most three more bytes).
  for (int more = 0; more < 3 && cut < text.size() && (text[cut] & 0xC0) == 0x80; ++more) ++cut;
  out += '"';
  base::append_json_text(out, text.substr(0, cut));
  if (cut < text.size()) fmt::format_to(std::back_inserter(out), "[cut {} bytes]", text.size() - cut);
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
