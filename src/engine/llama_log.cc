#include "engine/llama_log.h"

#include <llama.h>
#include <log.h>

#include <cstdio>
#include <deque>
#include <mutex>

namespace slipway::engine {
namespace {

constexpr std::size_t kKeptErrors = 8;

// llama.cpp calls from loading threads and from the loop thread.
struct Capture {
  std::mutex mutex;
  std::function<void(LogLevel, std::string_view)> sink;
  std::string line;  // pieces come without their end
  LogLevel level = LogLevel::info;
  std::deque<std::string> errors;

  void finish_line() {
    if (level == LogLevel::error) {
      errors.push_back(line);
      if (errors.size() > kKeptErrors) errors.pop_front();
    }
    if (sink) {
      sink(level, line);
    } else if (level >= LogLevel::warning) {
      std::fprintf(stderr, "llama.cpp: %s\n", line.c_str());
    }
    line.clear();
  }
};

Capture& capture() {
  static Capture instance;
  return instance;
}

LogLevel level_of(ggml_log_level level) {
  switch (level) {
    case GGML_LOG_LEVEL_ERROR:
      return LogLevel::error;
    case GGML_LOG_LEVEL_WARN:
      return LogLevel::warning;
    case GGML_LOG_LEVEL_INFO:
      return LogLevel::info;
    default:
      return LogLevel::debug;
  }
}

void receive(ggml_log_level level, const char* text, void*) {
  Capture& c = capture();
  const std::lock_guard lock(c.mutex);
  if (level != GGML_LOG_LEVEL_CONT) c.level = level_of(level);
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    c.line += rest.substr(0, end);
    if (end == std::string_view::npos) return;
    c.finish_line();
    rest.remove_prefix(end + 1);
  }
}

}  // namespace

void capture_llama_log(std::function<void(LogLevel, std::string_view)> sink) {
  {
    const std::lock_guard lock(capture().mutex);
    capture().sink = std::move(sink);
    capture().errors.clear();
  }
  llama_log_set(receive, nullptr);
  common_log_set_verbosity_thold(
      LOG_LEVEL_OUTPUT);  // llama-common has a log of its own: quiet, its errors are thrown too
}

std::string last_llama_errors() {
  const std::lock_guard lock(capture().mutex);
  std::string text;
  for (const std::string& line : capture().errors) text += (text.empty() ? "  " : "\n  ") + line;
  return text;
}

}  // namespace slipway::engine
