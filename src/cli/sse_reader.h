// Server-sent events for a client: bytes in, whole events out.
//
// Follows the WHATWG event-stream grammar as far as our servers use it: `event:`, `data:` (several lines are
// joined by "\n"), comments ignored, LF or CRLF. Bounds: an event over kMaxEventBytes is an error. Threads:
// one.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::cli {

class SseReader {
 public:
  static constexpr std::size_t kMaxEventBytes = 16u << 20;
  // `name` is "message" when the event has none. Return false to stop reading.
  using OnEvent = std::function<bool(std::string_view name, std::string_view data)>;

  explicit SseReader(OnEvent on_event) : on_event_(std::move(on_event)) {}
  // False once on_event returned false.
  base::Result<bool> feed(std::string_view piece);

 private:
  bool line(std::string_view text);
  OnEvent on_event_;
  std::string pending_;  // the unfinished line
  std::string name_;
  std::string data_;
  bool has_data_ = false;
};

}  // namespace slipway::cli
