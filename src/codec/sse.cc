#include "codec/sse.h"

#include <algorithm>
#include <cstring>

namespace slipway::codec {
namespace {

using namespace std::string_view_literals;

// memmem of the C library: vectorised, and never slower than linear.
bool contains(std::string_view text, std::string_view what) {
  return ::memmem(text.data(), text.size(), what.data(), what.size()) != nullptr;
}

std::size_t find_from(std::string_view text, std::size_t from, char c) {
  const void* p = std::memchr(text.data() + from, c, text.size() - from);
  return p ? static_cast<std::size_t>(static_cast<const char*>(p) - text.data()) : std::string_view::npos;
}

// Drops white space and then `c`; false when something else stands there.
bool take(std::string_view& text, char c) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// A key (with its quotes) followed by the bytes of `then`, white space allowed between them.
bool has_member(std::string_view text, std::string_view quoted_key, std::string_view then) {
  while (const void* p = ::memmem(text.data(), text.size(), quoted_key.data(), quoted_key.size())) {
    text.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(p) - text.data()) +
                       quoted_key.size());
    std::string_view rest = text;
    if (std::ranges::all_of(then, [&](char c) { return take(rest, c); })) return true;
  }
  return false;
}

std::string_view data_of(std::string_view line) {
  line.remove_prefix(5);  // "data:"
  if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

std::optional<Usage> SseRelay::usage() const {
  return usage_event_.empty() ? std::nullopt : AnswerReader().read(usage_event_).usage;
}

bool SseRelay::inspect(std::string_view event) {
  if (event.starts_with("event: error") || event.starts_with("event:error")) error_ = true;
  const std::size_t at = event.starts_with("data:") ? 0 : event.find("\ndata:");
  if (at == std::string_view::npos) return true;  // a comment
  std::string_view line = event.substr(at == 0 ? 0 : at + 1);
  line = line.substr(0, line.find('\n'));
  const std::string_view data = data_of(line);
  if (data == "[DONE]"sv) {
    done_ = true;
    return true;
  }
  if (!data.starts_with('{')) garbage_ = true;
  if (data.starts_with("{\"error\"")) error_ = true;
  ++data_events_;
  if (has_member(data, "\"usage\"", ":{")) {
    usage_event_.assign(data);
    if (!keep_usage_ && has_member(data, "\"choices\"", ":[]")) return false;
  }
  if (!first_token_)
    first_token_ = !contains(data, "\"content\":\"\""sv) && !contains(data, "\"content\":null"sv) &&
                   !contains(data, "\"text\":\"\""sv) && !has_member(data, "\"choices\"", ":[]");
  return true;
}

std::size_t SseRelay::scan(std::string_view bytes, std::string_view& out) {
  std::size_t start = 0;  // of the current event
  std::size_t line = 0;   // of the current line
  std::size_t kept_from = 0;
  bool copied = false;
  while (line < bytes.size()) {
    const std::size_t end = find_from(bytes, line, '\n');
    if (end == std::string_view::npos) break;
    const bool blank = end == line || (end == line + 1 && bytes[line] == '\r');
    line = end + 1;
    if (!blank) continue;
    if (!inspect(bytes.substr(start, line - start))) {
      joined_.append(bytes.substr(kept_from, start - kept_from));
      copied = true;
      kept_from = line;
    }
    start = line;
  }
  if (copied) {
    joined_.append(bytes.substr(kept_from, start - kept_from));
    out = joined_;
  } else {
    out = bytes.substr(0, start);
  }
  return start;
}

base::Result<std::string_view> SseRelay::feed(std::string_view piece) {
  joined_.clear();
  std::string_view out;
  if (held_.empty()) {
    held_.assign(piece.substr(scan(piece, out)));
  } else {
    held_.append(piece);
    // A line end completes an event; without one there is nothing to look at (bytes that drip in stay
    // linear).
    const bool line_end = !piece.empty() && find_from(piece, 0, '\n') != std::string_view::npos;
    if (!line_end) return hold(out);
    const std::size_t whole = scan(held_, out);
    if (out.data() != joined_.data()) joined_.assign(out);
    out = joined_;
    held_.erase(0, whole);
  }
  return hold(out);
}

base::Result<std::string_view> SseRelay::hold(std::string_view out) const {
  if (garbage_)
    return base::Error(base::ErrorCode::upstream_garbage,
                       "the replica sent an event that is not a JSON object");
  if (held_.size() > max_event_)
    return base::Error(base::ErrorCode::upstream_garbage,
                       "the replica sent an event of more than " + std::to_string(max_event_) + " bytes");
  return out;
}

}  // namespace slipway::codec
