// Readiness of sockets for one Loop: an edge-triggered epoll set of our own, waited for by Asio.
//
// Why not Asio's sockets: they cost a second read that says EAGAIN (or an epoll_ctl) and an allocated
// operation for every wait. Here a watcher is registered once and called back; a turn costs one epoll_wait
// for all of them. Deadlines are fields that a sweep looks at every kSweep, so that no timer is armed per
// request.
//
// Threads: the loop's. Ownership: watchers own themselves and must be removed before they die; shutdown()
// forgets all. Bounds: kBatch events a wait, kMaxRounds waits before other handlers of the loop get their
// turn.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <memory>
#include <optional>
#include <span>

#include "base/time.h"
#include "io/loop.h"
#include "io/process.h"

namespace slipway::io {

class Watcher
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  Watcher() = default;
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  virtual ~Watcher() = default;

 protected:
  friend class Poller;
  virtual void on_events(std::uint32_t events) = 0;
  // Every kSweep. Must not resume a coroutine or destroy a watcher: post that.
  virtual void on_sweep(base::MonotonicTime now) = 0;
  // The loop ends: let go of what waits, without resuming it. The poller is gone for this watcher afterwards.
  virtual void on_shutdown() {}
  Poller* poller_ = nullptr;  // null: not registered
};

class Poller {
 public:
  static constexpr base::Duration kSweep = std::chrono::milliseconds(250);
  static constexpr std::size_t kScratch = 64 * 1024;

  Poller();
  void attach(asio::io_context& context);
  void shutdown();

  // `events`: EPOLLIN and so on; EPOLLET is added. False with errno when the kernel refuses.
  bool add(Watcher& watcher, int fd, std::uint32_t events);
  void modify(Watcher& watcher, int fd, std::uint32_t events);
  void remove(Watcher& watcher, int fd);

  base::MonotonicTime now() const { return in_turn_ ? now_ : base::monotonic_now(); }
  // For one read at a time: idle connections then need no buffer of their own.
  std::span<char> scratch() { return {scratch_.get(), kScratch}; }
  asio::io_context& context() { return *context_; }

 private:
  static constexpr int kBatch = 256;
  static constexpr int kMaxRounds = 8;

  void arm();
  void dispatch();
  void arm_sweep();
  void sweep();

  Fd epoll_;
  asio::io_context* context_ = nullptr;
  std::optional<asio::posix::stream_descriptor> descriptor_;
  std::optional<asio::steady_timer> timer_;
  bool sweeping_ = false;
  bool in_turn_ = false;
  base::MonotonicTime now_{};
  boost::intrusive::list<Watcher, boost::intrusive::constant_time_size<false>> watchers_;
  std::array<epoll_event, kBatch> batch_;
  int batch_size_ = 0;
  std::unique_ptr<char[]> scratch_;
};

}  // namespace slipway::io
