#include "io/socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/check.h"

namespace slipway::io {
namespace {

constexpr std::uint32_t kAlways = EPOLLIN | EPOLLRDHUP;
constexpr std::size_t kKeepCapacity = 4096;

}  // namespace

Socket::Socket(Loop& loop, Fd fd, bool connecting)
    : loop_(loop),
      fd_(std::move(fd)),
      readable_(!connecting),
      connecting_(connecting),
      wants_writable_(connecting) {
  SLIPWAY_CHECK(loop.may_use());
  if (!loop.poller().add(*this, fd_.get(), connecting ? kAlways | EPOLLOUT : kAlways)) broken_ = true;
}

Socket::~Socket() {
  if (poller_ != nullptr) poller_->remove(*this, fd_.get());
}

ssize_t Socket::try_read(std::span<char> into) {
  if (cut_ != Cut::none) return -ECANCELED;
  if (!readable_ && !hung_up_) return -EAGAIN;
  ssize_t n;
  do n = ::recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0) {
    readable_ = false;
    return errno == EAGAIN && (broken_ || hung_up_) ? -EPIPE : -errno;
  }
  // epoll(7): a short read from a stream means that it is drained, and the next bytes make a new edge.
  readable_ = static_cast<std::size_t>(n) == into.size();
  return n;
}

bool Socket::write(std::string_view bytes) {
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  return write({&piece, 1});
}

bool Socket::write(std::span<const iovec> pieces) {
  if (broken()) return false;
  std::size_t sent = 0;
  if (pending() == 0 && !connecting_) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    ssize_t n;
    do n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
      broken_ = true;
      return false;
    }
    sent = n < 0 ? 0 : static_cast<std::size_t>(n);
  }
  keep(pieces, sent);
  return true;
}

void Socket::keep(std::span<const iovec> pieces, std::size_t sent) {
  const bool idle = pending() == 0;
  for (const iovec& piece : pieces) {
    const std::size_t skip = std::min(sent, piece.iov_len);
    sent -= skip;
    out_.append(static_cast<const char*>(piece.iov_base) + skip, piece.iov_len - skip);
  }
  if (!idle || pending() == 0) return;
  stall_at_ = loop_.now() + stall_timeout_;
  want_writable(true);
}

void Socket::flush() {
  while (pending() > 0) {
    const ssize_t n = ::send(fd_.get(), out_.data() + out_sent_, pending(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      broken_ = true;
      break;
    }
    out_sent_ += static_cast<std::size_t>(n);
    stall_at_ = loop_.now() + stall_timeout_;
  }
  if (pending() > 0 && !broken_) {
    // Move up rarely: a slow reader of a long buffer must not cost a copy for each packet.
    if (out_sent_ > out_.size() / 2) out_.erase(0, std::exchange(out_sent_, 0));
    return;
  }
  out_sent_ = 0;
  if (out_.capacity() > kKeepCapacity)
    out_ = std::string();
  else
    out_.clear();
  stall_at_ = base::MonotonicTime::max();
  want_writable(false);
}

void Socket::want_writable(bool wanted) {
  if (wants_writable_ == wanted || poller_ == nullptr) return;
  wants_writable_ = wanted;
  poller_->modify(*this, fd_.get(), wanted ? kAlways | EPOLLOUT : kAlways);
}

Task<> Socket::wait_readable(base::MonotonicTime deadline) {
  waits_ = Waits::read;
  deadline_ = deadline;
  return wait();
}

Task<> Socket::wait_drained(std::size_t low, base::MonotonicTime deadline) {
  waits_ = Waits::drain;
  low_ = low;
  deadline_ = deadline;
  return wait();
}

Task<> Socket::wait() {
  SLIPWAY_CHECK(!waiter_);
  return asio::async_result<asio::use_awaitable_t<>, void()>::initiate(
      [this](Waiter waiter) {
        if (due() || poller_ == nullptr)
          asio::post(loop_.context(), std::move(waiter));
        else
          waiter_.emplace(std::move(waiter));
      },
      asio::use_awaitable);
}

bool Socket::due() const {
  if (cut_ != Cut::none) return true;
  switch (waits_) {
    case Waits::read:
      return readable_ || hung_up_ || broken_;
    case Waits::drain:
      return broken_ || (!connecting_ && pending() <= low_);
    case Waits::nothing:
      return false;
  }
  return false;
}

void Socket::on_events(std::uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
    connecting_ = false;
    if (wants_writable_) flush();
  }
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) hang_up();
  if (!waiter_ || !due()) return;
  // Last: what resumes may destroy this socket.
  Waiter waiter = std::move(*waiter_);
  waiter_.reset();
  waiter();
}

void Socket::hang_up() {
  if (std::exchange(hung_up_, true)) return;
  if (on_hangup_) on_hangup_();
}

void Socket::on_sweep(base::MonotonicTime now) {
  if (now >= stall_at_) cut(Cut::stalled);
  if (waiter_ && now >= deadline_) cut(Cut::timeout);
}

void Socket::cut(Cut why) {
  if (cut_ == Cut::none) cut_ = why;
  hang_up();
  if (!waiter_) return;
  Waiter waiter = std::move(*waiter_);
  waiter_.reset();
  asio::post(loop_.context(), std::move(waiter));
}

void Socket::shutdown_write() {
  ::shutdown(fd_.get(), SHUT_WR);
}

}  // namespace slipway::io
