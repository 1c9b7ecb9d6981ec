// A connected stream socket that tries the system call first and waits only after EAGAIN.
//
// Bounds: input is never buffered here; output only what the kernel did not take (the caller holds back by
// wait_drained()). Memory: about 200 bytes, plus the waiting output, freed when it is sent. At most one
// coroutine waits at a time. Threads: the loop's. Ownership: closes its descriptor.
#pragma once

#include <sys/uio.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "io/poller.h"

namespace slipway::io {

class Socket final : public Watcher {
 public:
  // Why a socket is of no more use. First one wins.
  enum class Cut { none, timeout, stalled, cancelled };

  // `connecting`: a non-blocking connect() is on its way; wait_drained(0) then waits for it.
  Socket(Loop& loop, Fd fd, bool connecting = false);
  ~Socket() override;

  // Bytes read; 0: the peer ended; -EAGAIN: wait_readable() first; otherwise -errno.
  ssize_t try_read(std::span<char> into);
  // Sends at once what the kernel takes and keeps a copy of the rest, which leaves as the peer reads. False:
  // broken.
  bool write(std::span<const iovec> pieces);
  bool write(std::string_view bytes);
  std::size_t pending() const { return out_.size() - out_sent_; }
  // A peer that takes none of the pending bytes for so long is cut.
  void set_stall_timeout(base::Duration d) { stall_timeout_ = d; }

  // Return when a read may get something, the deadline passed (cut() says timeout), or the socket is cut or
  // broken.
  Task<> wait_readable(base::MonotonicTime deadline);
  // Same, until at most `low` bytes are pending.
  Task<> wait_drained(std::size_t low, base::MonotonicTime deadline = base::MonotonicTime::max());

  // Loop thread, any time: makes the waiter give up (it resumes later, not inside this call) and reads and
  // writes fail.
  void cut(Cut why);
  Cut why_cut() const { return cut_; }
  // The peer closed its side, the connection broke, or it was cut.
  bool hung_up() const { return hung_up_; }
  // Bytes or an end may be there to read: for an idle pooled connection, a reason to drop it.
  bool maybe_readable() const { return readable_ || hung_up_; }
  bool broken() const { return broken_ || cut_ != Cut::none; }
  // Runs once, on the loop, when the peer hangs up or this side cuts it; must not destroy the socket or
  // resume its waiter.
  void set_on_hangup(std::function<void()> f) { on_hangup_ = std::move(f); }
  int fd() const { return fd_.get(); }
  void shutdown_write();

 private:
  using Waiter = asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;
  enum class Waits { nothing, read, drain };

  void on_events(std::uint32_t events) override;
  void on_sweep(base::MonotonicTime now) override;
  void on_shutdown() override { waiter_.reset(); }
  Task<> wait();
  bool due() const;
  void flush();
  void hang_up();
  void keep(std::span<const iovec> pieces, std::size_t sent);
  void want_writable(bool wanted);

  Loop& loop_;
  Fd fd_;
  std::string out_;
  std::size_t out_sent_ = 0;
  std::optional<Waiter> waiter_;
  std::function<void()> on_hangup_;
  base::MonotonicTime deadline_ = base::MonotonicTime::max();  // of the waiter
  base::MonotonicTime stall_at_ = base::MonotonicTime::max();  // while bytes are pending
  base::Duration stall_timeout_ = std::chrono::seconds(60);
  std::size_t low_ = 0;
  Waits waits_ = Waits::nothing;
  Cut cut_ = Cut::none;
  bool readable_ = true;
  bool hung_up_ = false;
  bool broken_ = false;
  bool connecting_ = false;
  bool wants_writable_ = false;
};

}  // namespace slipway::io
