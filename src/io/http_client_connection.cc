#include "io/http_client_connection.h"

#include <array>
#include <cerrno>
#include <cstring>

namespace slipway::io {

using base::Error;
using base::ErrorCode;

bool ClientConnection::send(std::string_view head, std::string_view body) {
  const std::array<iovec, 2> pieces{iovec{const_cast<char*>(head.data()), head.size()},
                                    iovec{const_cast<char*>(body.data()), body.size()}};
  return socket_.write(std::span(pieces).first(body.empty() ? 1 : 2));
}

Error ClientConnection::read_failed(ssize_t n) const {
  switch (socket_.why_cut()) {
    case Socket::Cut::timeout:
      return {ErrorCode::timeout, "the server did not answer in time"};
    case Socket::Cut::stalled:
      return {ErrorCode::timeout, "the server took no bytes of the request for too long"};
    case Socket::Cut::cancelled:
      return {ErrorCode::client_gone, "the request was cancelled"};
    case Socket::Cut::none:
      break;
  }
  if (n == 0) return {ErrorCode::io_failed, "the server closed the connection before the end of its answer"};
  return {ErrorCode::io_failed, std::string("the connection broke: ") + std::strerror(static_cast<int>(-n))};
}

base::Result<bool> ClientConnection::parse(const codec::HttpHeadLimits& limits) {
  while (in_.size() > 0) {
    auto done = codec::parse_response_head(in_.view(), head_, limits);
    if (!done)
      return Error(ErrorCode::upstream_garbage,
                   "the server's answer is not valid HTTP: " + done.error().message());
    if (!*done) return false;
    if (head_.status == 101)
      return Error(ErrorCode::upstream_garbage,
                   "the server changed the protocol though nobody asked for that");
    if (head_.status >= 200) return true;
    in_.consume(head_.bytes);
  }
  return false;
}

Task<base::Result<void>> ClientConnection::read_head(const codec::HttpHeadLimits& limits,
                                                     base::MonotonicTime deadline, bool is_head_request) {
  while (true) {
    const std::span<char> scratch = loop_.poller().scratch();
    const ssize_t n = socket_.try_read(scratch);
    if (n == -EAGAIN) {
      co_await socket_.wait_readable(deadline);
      continue;
    }
    if (n <= 0) co_return read_failed(n);
    got_bytes_ = true;
    const std::string_view bytes(scratch.data(), static_cast<std::size_t>(n));
    in_.append(bytes);
    if (!bytes.contains('\n') && in_.size() != bytes.size() && in_.size() < limits.max_bytes) continue;
    const base::Result<bool> complete = parse(limits);
    if (!complete) co_return complete.error();
    if (*complete) break;
  }
  start_body(is_head_request);
  co_return base::Result<void>();
}

void ClientConnection::start_body(bool is_head_request) {
  taken_ = head_.bytes;
  left_ = head_.content_length;
  if (is_head_request) head_.framing = codec::BodyFraming::none;
  if (head_.framing == codec::BodyFraming::chunked) chunks_.emplace();
  if (head_.framing != codec::BodyFraming::none) return;
  done_ = true;
  extra_ = in_.size() > taken_;
}

Task<base::Result<std::string_view>> ClientConnection::read_some() {
  piece_.consume(piece_.size());
  while (!done_) {
    std::string_view bytes = in_.view().substr(taken_);
    if (bytes.empty()) {
      const std::span<char> scratch = loop_.poller().scratch();
      const ssize_t n = socket_.try_read(scratch);
      if (n == -EAGAIN) {
        co_await socket_.wait_readable(base::MonotonicTime::max());
        continue;
      }
      if (n == 0 && head_.framing == codec::BodyFraming::until_close) {
        done_ = true;
        break;
      }
      if (n <= 0) co_return read_failed(n);
      bytes = {scratch.data(), static_cast<std::size_t>(n)};
    } else {
      taken_ = in_.size();
    }
    base::Result<std::string_view> got = take(bytes);
    if (!got || !got->empty()) co_return got;
  }
  co_return std::string_view();
}

base::Result<std::string_view> ClientConnection::take(std::string_view bytes) {
  if (head_.framing == codec::BodyFraming::chunked) return take_chunks(bytes);
  if (head_.framing == codec::BodyFraming::length) {
    extra_ = bytes.size() > left_;
    bytes = bytes.substr(0, left_);
    left_ -= bytes.size();
    done_ = left_ == 0;
  }
  // Bytes of in_ stay where they are; those of the loop's scratch would be overwritten by the next
  // connection.
  if (bytes.data() >= in_.view().data() && bytes.data() < in_.view().data() + in_.size()) return bytes;
  piece_.append(bytes);
  return piece_.view();
}

base::Result<std::string_view> ClientConnection::take_chunks(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto step = chunks_->feed(bytes);
    if (!step)
      return Error(ErrorCode::upstream_garbage,
                   "the server's answer is not valid HTTP: " + step.error().message());
    piece_.append(step->data);
    bytes.remove_prefix(step->consumed);
    if (!step->done) continue;
    done_ = true;
    extra_ = !bytes.empty();
    break;
  }
  return piece_.view();
}

bool ClientConnection::reusable() const {
  return done_ && !extra_ && head_.keep_alive && idle_ok() && socket_.pending() == 0;
}

void ClientConnection::reset() {
  in_.consume(in_.size());
  piece_.consume(piece_.size());
  chunks_.reset();
  taken_ = 0;
  got_bytes_ = done_ = extra_ = false;
}

}  // namespace slipway::io
