// An HTTP/1.1 answer as the load client reads it: enough to know when it ends, whether it is good, and where
// its SSE events are. It trusts nobody with correctness: a stream must end with [DONE] and a clean last
// chunk.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace bench {

class Response {
 public:
  void reset() { *this = Response(); }

  // Takes all bytes. False: this is not HTTP.
  bool feed(std::string_view bytes) {
    if (!in_body_) {
      head_.append(bytes);
      const auto end = head_.find("\r\n\r\n");
      if (end == std::string::npos) return head_.size() < 64 * 1024;
      if (!read_head(std::string_view(head_).substr(0, end + 2))) return false;
      in_body_ = true;
      const std::string rest = head_.substr(end + 4);
      head_.clear();
      if (!chunked_ && left_ == 0) complete_ = true;
      return rest.empty() || body(rest);
    }
    return body(bytes);
  }

  bool complete() const { return complete_; }
  bool good() const { return status_ == 200 && (!event_stream_ || done_seen_); }
  bool closes() const { return closes_; }
  int status() const { return status_; }
  std::uint64_t events() const { return events_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  bool read_head(std::string_view head) {
    if (head.size() < 12 || !head.starts_with("HTTP/1.1 ")) return false;
    status_ = std::atoi(head.data() + 9);
    std::string lower(head);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto length = lower.find("\r\ncontent-length:");
    if (length != std::string::npos) left_ = static_cast<std::size_t>(std::atol(lower.c_str() + length + 17));
    chunked_ = lower.find("\r\ntransfer-encoding: chunked") != std::string::npos;
    closes_ = lower.find("\r\nconnection: close") != std::string::npos;
    event_stream_ = lower.find("\r\ncontent-type: text/event-stream") != std::string::npos;
    return chunked_ || length != std::string::npos;
  }

  bool body(std::string_view bytes) {
    if (!chunked_) {
      data(bytes.substr(0, left_));
      left_ -= std::min(left_, bytes.size());
      complete_ = left_ == 0;
      return true;
    }
    while (!bytes.empty() && !complete_) {
      if (left_ > 0) {
        const std::size_t n = std::min(left_, bytes.size());
        data(bytes.substr(0, n));
        bytes.remove_prefix(n);
        left_ -= n;
        if (left_ == 0) skip_ = 2;
        continue;
      }
      const char c = bytes.front();
      bytes.remove_prefix(1);
      if (skip_ > 0) {
        if (c != (skip_ == 2 ? '\r' : '\n')) return false;
        if (--skip_ == 0 && last_) complete_ = true;
      } else if (c == '\n') {
        left_ = size_;
        last_ = size_ == 0;
        if (last_) skip_ = 2;
        size_ = 0;
      } else if (c != '\r') {
        const int digit = c >= '0' && c <= '9'                 ? c - '0'
                          : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                               : -1;
        if (digit < 0) return false;
        size_ = size_ * 16 + static_cast<std::size_t>(digit);
      }
    }
    return true;
  }

  void data(std::string_view bytes) {
    bytes_ += bytes.size();
    if (!event_stream_ || bytes.empty()) return;
    if (newline_ && bytes.front() == '\n') ++events_;
    for (std::size_t at = 0;;) {
      const void* p = ::memmem(bytes.data() + at, bytes.size() - at, "\n\n", 2);
      if (!p) break;
      ++events_;
      at = static_cast<std::size_t>(static_cast<const char*>(p) - bytes.data()) + 2;
      if (at >= bytes.size()) break;
    }
    newline_ = bytes.back() == '\n' && !bytes.ends_with("\n\n");
    tail_.append(bytes.substr(bytes.size() - std::min<std::size_t>(bytes.size(), 16)));
    if (tail_.size() > 16) tail_.erase(0, tail_.size() - 16);
    done_seen_ = tail_.ends_with("data: [DONE]\n\n");
  }

  std::string head_, tail_;
  bool in_body_ = false, chunked_ = false, closes_ = false, event_stream_ = false;
  bool complete_ = false, last_ = false, done_seen_ = false, newline_ = false;
  int status_ = 0, skip_ = 0;
  std::size_t left_ = 0, size_ = 0;
  std::uint64_t events_ = 0, bytes_ = 0;
};

}  // namespace bench
