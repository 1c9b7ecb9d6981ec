// Log records in the shape of the OpenTelemetry log model, one JSON object a line.
//
//   {"ts":"2026-11-24T06:55:01.123Z","level":"info","event":"request","msg":"...","request_id":"req_...","model":"..."}
//
// The writer is bounded: when its consumer is slow, records are dropped oldest first and counted. Prompts and answers are
// never logged. Threads: write() from anywhere; the hot path of a gateway loop uses its own LogBuffer.
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
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;
};

// Appends one record with its "\n" to `out`. Invalid UTF-8 becomes U+FFFD, a field over 16 KiB is cut with a mark.
void append_record(std::string& out, base::WallTime now, Level level, std::string_view event, std::string_view message,
                   std::initializer_list<Field> fields);

// Where finished records go; set once by main before threads start. The default is stderr.
using LogSink = std::function<void(std::string_view lines)>;
void set_log_sink(LogSink sink);
void log(Level level, std::string_view event, std::string_view message, std::initializer_list<Field> fields = {});

}  // namespace slipway::telemetry
