#include "io/poller.h"

#include <unistd.h>

#include "base/check.h"

namespace slipway::io {

Poller::Poller()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), scratch_(std::make_unique_for_overwrite<char[]>(kScratch)) {
  SLIPWAY_CHECK(epoll_);
}

void Poller::attach(asio::io_context& context) {
  context_ = &context;
  descriptor_.emplace(context, ::dup(epoll_.get()));
  timer_.emplace(context);
  arm();
}

void Poller::shutdown() {
  descriptor_.reset();
  timer_.reset();
  while (!watchers_.empty()) {
    Watcher& watcher = watchers_.front();
    watchers_.pop_front();
    watcher.poller_ = nullptr;
    watcher.on_shutdown();
  }
}

bool Poller::add(Watcher& watcher, int fd, std::uint32_t events) {
  epoll_event event{.events = events | EPOLLET, .data = {.ptr = &watcher}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;
  watcher.poller_ = this;
  watchers_.push_back(watcher);
  if (!sweeping_) arm_sweep();
  return true;
}

void Poller::modify(Watcher& watcher, int fd, std::uint32_t events) {
  epoll_event event{.events = events | EPOLLET, .data = {.ptr = &watcher}};
  SLIPWAY_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Poller::remove(Watcher& watcher, int fd) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watcher.unlink();
  watcher.poller_ = nullptr;
  // An event of this turn that was not delivered yet must not reach a dead watcher.
  for (int i = 0; i < batch_size_; ++i)
    if (batch_[static_cast<std::size_t>(i)].data.ptr == &watcher)
      batch_[static_cast<std::size_t>(i)].data.ptr = nullptr;
}

void Poller::arm() {
  descriptor_->async_wait(asio::posix::stream_descriptor::wait_read,
                          [this](const boost::system::error_code& error) {
                            if (error || !descriptor_) return;
                            dispatch();
                            arm();
                          });
}

void Poller::dispatch() {
  for (int round = 0; round < kMaxRounds; ++round) {
    batch_size_ = ::epoll_wait(epoll_.get(), batch_.data(), kBatch, 0);
    if (batch_size_ <= 0) break;
    now_ = base::monotonic_now();
    in_turn_ = true;
    for (int i = 0; i < batch_size_; ++i) {
      const epoll_event event = batch_[static_cast<std::size_t>(i)];
      if (event.data.ptr != nullptr) static_cast<Watcher*>(event.data.ptr)->on_events(event.events);
    }
    in_turn_ = false;
  }
  batch_size_ = 0;
}

void Poller::arm_sweep() {
  sweeping_ = true;
  timer_->expires_after(kSweep);
  timer_->async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    sweep();
    if (watchers_.empty())
      sweeping_ = false;
    else
      arm_sweep();
  });
}

void Poller::sweep() {
  const base::MonotonicTime now = base::monotonic_now();
  for (auto it = watchers_.begin(); it != watchers_.end();) (it++)->on_sweep(now);
}

}  // namespace slipway::io
