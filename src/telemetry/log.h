// Log records in the shape of the OpenTelemetry log model, one JSON object a line.
//
//   {"ts":"2026-11-24T06:55:01.123Z","level":"info","event":"request","msg":"...","request_id":"req_...","model":"..."}
//
// This room makes the lines; keeping them is the sink's work (store/logs.h: a bounded queue that never blocks
// the caller). Prompts and answers are never logged. Threads: log() from anywhere; the hot path of a gateway
// loop uses its own LogBuffer, which makes no allocation once it is warm and calls the sink once for many
// records.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/time.h"

namespace slipway::telemetry {

enum class Level { debug, info, warn, error };
std::string_view level_name(Level level);

struct Field {
  std::string_view name;  // a JSON-safe word of ours
  std::variant<std::string_view, std::int64_t, double, bool>
      value;  // a double that is not finite is written as null
};

inline constexpr std::size_t kMaxFieldBytes = 16 * 1024;

// Appends one record with its "\n" to `out`. Invalid UTF-8 becomes U+FFFD; a text over kMaxFieldBytes is cut
// at a character and ends in "[cut N bytes]".
void append_record(std::string& out, base::WallTime now, Level level, std::string_view event,
                   std::string_view message, std::initializer_list<Field> fields);

// `text` as a JSON string with its quotes, repaired and cut as above.
void append_json_string(std::string& out, std::string_view text);

// Where finished lines go; set once by main before threads start. The default is stderr. The sink must not
// block.
using LogSink = std::function<void(std::string_view lines)>;
void set_log_sink(LogSink sink);
// Records below this level are dropped by log(); the default is info. Any thread.
void set_log_level(Level level);
void log(Level level, std::string_view event, std::string_view message,
         std::initializer_list<Field> fields = {});

// Records of one thread, handed to the sink when kFlushBytes are there, at flush(), and at the end of its
// life. The owner calls flush() about once a second (Loop::every).
class LogBuffer {
 public:
  static constexpr std::size_t kFlushBytes = 32 * 1024;
  LogBuffer() = default;
  LogBuffer(const LogBuffer&) = delete;
  ~LogBuffer() { flush(); }
  void write(base::WallTime now, Level level, std::string_view event, std::string_view message,
             std::initializer_list<Field> fields = {});
  void flush();

 private:
  std::string lines_;
};

}  // namespace slipway::telemetry
