#include "io/http_connection.h"

#include <sys/socket.h>

#include "base/check.h"
#include "codec/error_body.h"

namespace slipway::io {

using base::Error;
using base::ErrorCode;

ServerConnection::ServerConnection(std::shared_ptr<ServerCore> core, Fd fd, const SocketAddress& peer)
    : core_(std::move(core)), socket_(core_->loop, std::move(fd)), peer_(host_text(peer)) {
  socket_.set_stall_timeout(core_->options.stall_timeout);
  core_->connections.push_back(*this);
  ++core_->stats.open;
  if (core_->options.max_connections_per_peer > 0 && !peer_.empty()) ++core_->per_peer[peer_];
}

ServerConnection::~ServerConnection() {
  --core_->stats.open;
  if (const auto it = core_->per_peer.find(peer_); it != core_->per_peer.end() && --it->second == 0)
    core_->per_peer.erase(it);
  core_->gone.notify();
}

Task<> ServerConnection::run(std::shared_ptr<ServerConnection> self) {
  ServerConnection& c = *self;
  while (true) {
    Read read = c.read_head();
    while (read == Read::wait) {
      co_await c.socket_.wait_readable(c.head_deadline());
      read = c.read_head();
    }
    if (read == Read::closed) co_return;
    if (read == Read::refused) {
      co_await c.refuse();
      co_return;
    }
    c.begin_exchange();
    co_await c.core_->handler(c);
    c.socket_.set_on_hangup({});
    if (c.settle()) continue;
    const bool again = co_await c.settle_slowly();
    if (!again) co_return;
  }
}

// The deadline of the next wait for a head: idle until its first byte, then fixed from that byte on.
base::MonotonicTime ServerConnection::head_deadline() {
  if (in_.size() == 0) return core_->loop.now() + core_->options.idle_timeout;
  return head_started_ + core_->options.head_timeout;
}

ServerConnection::Read ServerConnection::read_head() {
  if (core_->draining && idle()) return Read::closed;
  if (unparsed_) {
    if (const Read read = parse(); read != Read::wait) return read;
  }
  while (true) {
    const std::span<char> scratch = core_->loop.poller().scratch();
    const ssize_t n = socket_.try_read(scratch);
    if (n == -EAGAIN) return Read::wait;
    if (n <= 0) return Read::closed;
    if (in_.size() == 0) head_started_ = core_->loop.now();
    const std::string_view bytes(scratch.data(), static_cast<std::size_t>(n));
    in_.append(bytes);
    // A head that comes in crumbs is parsed again only when a line ended, so that the work stays linear.
    if (!bytes.contains('\n') && in_.size() != bytes.size() && in_.size() < core_->options.head.max_bytes)
      continue;
    if (const Read read = parse(); read != Read::wait) return read;
  }
}

ServerConnection::Read ServerConnection::parse() {
  unparsed_ = false;
  auto done = codec::parse_request_head(in_.view(), head_, core_->options.head);
  if (!done) {
    failure_ = std::move(done).error();
    return Read::refused;
  }
  return *done ? Read::ready : Read::wait;
}

void ServerConnection::begin_exchange() {
  ++core_->stats.requests;
  busy_ = true;
  used_ = head_.bytes;
  answer_ = Answer::none;
  body_taken_ = must_close_ = aborted_ = chunked_ = false;
  failure_.reset();
}

bool ServerConnection::body_is_here() const {
  return head_.framing == codec::BodyFraming::none ||
         (head_.framing == codec::BodyFraming::length && in_.size() - head_.bytes >= head_.content_length);
}

// A body that the handler left unread would be taken for the next request: skip it when it is here, close
// otherwise.
bool ServerConnection::keep_alive() const {
  return head_.keep_alive && !must_close_ && !aborted_ && !core_->draining && (body_taken_ || body_is_here());
}

bool ServerConnection::settle() {
  if (answer_ != Answer::complete || socket_.broken() || socket_.pending() > 0 || !keep_alive()) return false;
  if (!body_taken_)
    used_ = head_.bytes + (head_.framing == codec::BodyFraming::length ? head_.content_length : 0);
  in_.consume(used_);
  used_ = 0;
  if (!leftover_.empty()) {
    in_.append(leftover_);
    leftover_ = std::string();
  }
  body_.consume(body_.size());
  unparsed_ = in_.size() > 0;
  if (unparsed_) head_started_ = core_->loop.now();
  busy_ = false;
  return true;
}

Task<bool> ServerConnection::settle_slowly() {
  if (answer_ == Answer::none && !aborted_ && !socket_.broken()) {
    if (!failure_)
      failure_ = Error(ErrorCode::internal, "the handler of this request ended without an answer");
    const base::Result<void> answered =
        co_await respond(base::info(failure_->code()).http_status, {{"Content-Type", "application/json"}},
                         codec::openai_error(*failure_, ""));
    if (!answered) co_return false;
  }
  if (socket_.pending() > 0 && !socket_.broken()) co_await socket_.wait_drained(0);
  if (socket_.broken()) co_return false;
  if (settle()) co_return true;
  const bool input_left = body_taken_ ? failure_.has_value() : !body_is_here();
  if (input_left) co_await close_gently();
  co_return false;
}

Task<> ServerConnection::refuse() {
  ++core_->stats.bad_requests;
  const Error why = *std::exchange(failure_, std::nullopt);
  head_ = codec::HttpHead();
  must_close_ = true;
  const base::Result<void> answered =
      co_await respond(base::info(why.code()).http_status, {{"Content-Type", "application/json"}},
                       codec::openai_error(why, ""));
  if (answered) co_await close_gently();
}

// Closing with unread input makes the kernel reset the connection, and the reset may overtake the answer: say
// that nothing more comes, then read what the peer still sends, for a bounded time and amount.
Task<> ServerConnection::close_gently() {
  constexpr base::Duration kLinger = std::chrono::seconds(1);
  constexpr std::size_t kMaxDiscard = 1u << 20;
  socket_.shutdown_write();
  const base::MonotonicTime deadline = core_->loop.now() + kLinger;
  std::size_t discarded = 0;
  while (discarded < kMaxDiscard) {
    const ssize_t n = socket_.try_read(core_->loop.poller().scratch());
    if (n == -EAGAIN) {
      co_await socket_.wait_readable(deadline);
      continue;
    }
    if (n <= 0) co_return;
    discarded += static_cast<std::size_t>(n);
  }
}

std::optional<PeerProcess> ServerConnection::peer() const {
  ucred who{};
  socklen_t size = sizeof(who);
  if (!peer_.empty() || ::getsockopt(socket_.fd(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
    return std::nullopt;
  return PeerProcess{.uid = who.uid, .pid = who.pid};
}

void ServerConnection::on_client_gone(std::function<void()> on_gone) {
  if (client_gone()) return on_gone();
  socket_.set_on_hangup(std::move(on_gone));
}

}  // namespace slipway::io
