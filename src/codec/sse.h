// Server-sent events on their way through: split, counted, and relayed as they are.
//
// Intuition: a relay must not parse what it only passes on. Pieces arrive cut anywhere; what is sent on are
// whole events, so that an error event can follow at any time. JSON has no raw line feed, so memchr hops from
// line to line; the only other look into an event is a search for `"usage":`, which inside JSON can only be a
// key (a quote within a string is escaped). In the usual case a piece ends where an event ends, and the piece
// itself is handed on without a copy.
//
// The usage event that the gateway forced (`"choices":[]` with a usage object) is dropped unless the client
// asked for it. Lines end with LF or CRLF. Threads: one a relay. Failure: upstream_garbage when an event
// outgrows its bound or its data is not an object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/openai_answer.h"

namespace slipway::codec {

class SseRelay {
 public:
  SseRelay(bool keep_usage, std::size_t max_event_bytes)
      : keep_usage_(keep_usage), max_event_(max_event_bytes) {}

  // The whole events of what came so far, to be sent on now; may be empty. Valid until the next feed() and
  // while `piece` is.
  base::Result<std::string_view> feed(std::string_view piece);

  std::uint64_t data_events() const { return data_events_; }  // with data, [DONE] not among them
  bool first_token() const { return first_token_; }           // an event carried text or a tool call
  bool done() const { return done_; }                         // [DONE] came
  bool error() const { return error_; }                       // the replica sent an error event
  bool cut() const { return !held_.empty(); }                 // bytes of an unfinished event are held
  // From the last event that had one.
  std::optional<Usage> usage() const;

 private:
  // Looks at one event [text); false when it is to be dropped.
  bool inspect(std::string_view event);
  // Scans `bytes` (whole events at its front); returns how many bytes are whole events.
  std::size_t scan(std::string_view bytes, std::string_view& out);
  // `out`, unless what was seen or is held is not acceptable.
  base::Result<std::string_view> hold(std::string_view out) const;

  bool keep_usage_;
  std::size_t max_event_;
  std::string held_;    // the unfinished event, bounded by max_event_
  std::string joined_;  // whole events that had to be copied
  std::string usage_event_;
  std::uint64_t data_events_ = 0;
  bool first_token_ = false, done_ = false, error_ = false, garbage_ = false;
};

}  // namespace slipway::codec
