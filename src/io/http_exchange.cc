// The handler's face of a connection: reading the request's body, writing the answer.
#include <array>
#include <cstring>

#include "base/check.h"
#include "io/http_connection.h"

namespace slipway::io {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

iovec piece(std::string_view s) {
  return {const_cast<char*>(s.data()), s.size()};
}

Error unsafe_header() {
  return {ErrorCode::internal, "an answer's header has a line break or NUL, or frames the message"};
}

}  // namespace

// After a failed body the position in the stream is unknown: the connection closes behind the answer.
Error ServerConnection::fail(Error error) {
  must_close_ = true;
  failure_ = error;
  return error;
}

Error ServerConnection::read_failed(ssize_t n) const {
  if (socket_.why_cut() == Socket::Cut::timeout)
    return {ErrorCode::timeout, "the client did not send the whole body in time"};
  return {ErrorCode::client_gone, n == 0 ? "the client ended the connection inside the body"
                                         : std::string("the connection broke inside the body: ") +
                                               std::strerror(static_cast<int>(-n))};
}

void ServerConnection::send_continue() {
  if (head_.expect_continue && in_.size() == head_.bytes) socket_.write(kContinue);
}

Task<base::Result<std::string_view>> ServerConnection::body() {
  SLIPWAY_CHECK(!body_taken_);
  const std::uint64_t limit = core_->options.max_body;
  if (head_.framing == codec::BodyFraming::length && head_.content_length > limit)
    co_return fail({ErrorCode::body_too_large, "the body has " + std::to_string(head_.content_length) +
                                                   " bytes, the limit is " + std::to_string(limit)});
  body_taken_ = true;
  if (head_.framing == codec::BodyFraming::none) co_return std::string_view();
  if (head_.framing == codec::BodyFraming::length && body_is_here()) {
    used_ = head_.bytes + head_.content_length;
    co_return in_.view().substr(head_.bytes, head_.content_length);
  }
  send_continue();
  if (head_.framing == codec::BodyFraming::chunked) co_return co_await read_chunked_body();
  co_return co_await read_length_body();
}

Task<base::Result<std::string_view>> ServerConnection::read_length_body() {
  const std::size_t need = head_.content_length;
  const bool fits = head_.bytes + need <= in_.capacity();
  HttpBuffer& target = fits ? in_ : body_;
  if (!fits) {
    // The memory is touched only as bytes come: a length alone costs nothing.
    body_.reserve(need);
    body_.append(in_.view().substr(head_.bytes));
  }
  const std::size_t end = fits ? head_.bytes + need : need;
  const base::MonotonicTime deadline = core_->loop.now() + core_->options.body_timeout;
  while (target.size() < end) {
    const ssize_t n = socket_.try_read(target.room().first(end - target.size()));
    if (n == -EAGAIN) {
      co_await socket_.wait_readable(deadline);
      continue;
    }
    if (n <= 0) co_return fail(read_failed(n));
    target.grow(static_cast<std::size_t>(n));
  }
  used_ = in_.size();
  co_return target.view().substr(end - need, need);
}

Task<base::Result<std::string_view>> ServerConnection::read_chunked_body() {
  codec::ChunkedDecoder decoder;
  bool done = false;
  used_ = in_.size();
  if (const auto step = decode(in_.view().substr(head_.bytes), decoder, done); !step)
    co_return fail(step.error());
  const base::MonotonicTime deadline = core_->loop.now() + core_->options.body_timeout;
  while (!done) {
    const std::span<char> scratch = core_->loop.poller().scratch();
    const ssize_t n = socket_.try_read(scratch);
    if (n == -EAGAIN) {
      co_await socket_.wait_readable(deadline);
      continue;
    }
    if (n <= 0) co_return fail(read_failed(n));
    const std::string_view bytes(scratch.data(), static_cast<std::size_t>(n));
    if (const auto step = decode(bytes, decoder, done); !step) co_return fail(step.error());
  }
  co_return body_.view();
}

base::Result<void> ServerConnection::decode(std::string_view bytes, codec::ChunkedDecoder& decoder,
                                            bool& done) {
  while (!bytes.empty()) {
    SLIPWAY_TRY(const auto step, decoder.feed(bytes));
    if (body_.size() + step.data.size() > core_->options.max_body)
      return Error(
          ErrorCode::body_too_large,
          "the body has more than " + std::to_string(core_->options.max_body) + " bytes, which is the limit");
    body_.append(step.data);
    bytes.remove_prefix(step.consumed);
    if (!step.done) continue;
    done = true;
    leftover_.assign(bytes);
    break;
  }
  return {};
}

Error ServerConnection::write_failed() const {
  if (socket_.why_cut() == Socket::Cut::stalled)
    return {ErrorCode::client_gone, "the client took no bytes for too long and was cut"};
  return {ErrorCode::client_gone, "the client closed the connection"};
}

Task<base::Result<void>> ServerConnection::respond(int status, Headers headers, std::string_view body) {
  SLIPWAY_CHECK(answer_ == Answer::none);
  const bool bodiless = status == 204 || status == 304;
  AnswerBody framing{.close = !keep_alive()};
  if (!bodiless) framing.length = body.size();
  if (!write_answer_head(core_->head, status, headers.begin(), headers.size(), framing, core_->date.get()))
    co_return unsafe_header();
  answer_ = Answer::complete;
  if (framing.close) must_close_ = true;
  const std::array pieces{piece(core_->head), piece(body)};
  const bool with_body = !bodiless && !body.empty() && head_.method != "HEAD";
  if (!socket_.write(std::span(pieces).first(with_body ? 2 : 1))) co_return write_failed();
  if (socket_.pending() > 0) co_await socket_.wait_drained(0);
  if (socket_.broken()) co_return write_failed();
  co_return base::Result<void>();
}

base::Result<void> ServerConnection::start_stream(int status, Headers headers) {
  SLIPWAY_CHECK(answer_ == Answer::none);
  chunked_ = !head_.http_1_0;
  AnswerBody framing{.chunked = chunked_, .close = !keep_alive()};
  if (!write_answer_head(stream_head_, status, headers.begin(), headers.size(), framing, core_->date.get()))
    return unsafe_header();
  answer_ = Answer::streaming;
  if (framing.close) must_close_ = true;
  return {};
}

// One system call for the head (the first time), the chunk's frame and its data.
bool ServerConnection::send_piece(std::string_view data) {
  std::array<iovec, 4> pieces;
  std::size_t n = 0;
  if (!stream_head_.empty()) pieces[n++] = piece(stream_head_);
  const ChunkSize size(data.size());
  if (!data.empty() && head_.method != "HEAD") {
    if (chunked_) pieces[n++] = piece({size.text, size.size});
    pieces[n++] = piece(data);
    if (chunked_) pieces[n++] = piece("\r\n");
  }
  const bool sent = n == 0 ? !socket_.broken() : socket_.write(std::span(pieces).first(n));
  stream_head_ = std::string();
  return sent;
}

Task<base::Result<void>> ServerConnection::write(std::string_view data) {
  SLIPWAY_CHECK(answer_ == Answer::streaming);
  if (aborted_ || !send_piece(data)) co_return write_failed();
  const std::size_t high = core_->options.write_high_water;
  if (socket_.pending() > high) co_await socket_.wait_drained(high);
  if (socket_.broken()) co_return write_failed();
  co_return base::Result<void>();
}

bool ServerConnection::try_write(std::string_view data) {
  if (answer_ != Answer::streaming || aborted_ || socket_.pending() > 0 || client_gone()) return false;
  return send_piece(data);
}

Task<base::Result<void>> ServerConnection::finish() {
  SLIPWAY_CHECK(answer_ == Answer::streaming);
  if (aborted_) co_return write_failed();
  if (!chunked_) must_close_ = true;
  answer_ = Answer::complete;
  const bool last_chunk = chunked_ && head_.method != "HEAD";
  const std::array pieces{piece(stream_head_), piece(last_chunk ? "0\r\n\r\n" : "")};
  if (!socket_.write(pieces)) co_return write_failed();
  stream_head_ = std::string();
  if (socket_.pending() > 0) co_await socket_.wait_drained(0);
  if (socket_.broken()) co_return write_failed();
  co_return base::Result<void>();
}

}  // namespace slipway::io
