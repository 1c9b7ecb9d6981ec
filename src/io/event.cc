#include "io/event.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

namespace slipway::io {

struct Event::Waiters {
  std::set<asio::steady_timer*> timers;
  void wake() {
    for (asio::steady_timer* timer : timers) timer->cancel();
  }
};

// Also leaves the set when the coroutine is destroyed as it waits (the loop ends); keeps the set while the
// Event may be gone.
class Event::Registration {
 public:
  Registration(std::shared_ptr<Waiters> waiters, asio::steady_timer& timer)
      : waiters_(std::move(waiters)), timer_(timer) {
    waiters_->timers.insert(&timer_);
  }
  ~Registration() { waiters_->timers.erase(&timer_); }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  std::shared_ptr<Waiters> waiters_;
  asio::steady_timer& timer_;
};

Event::Event() : waiters_(std::make_shared<Waiters>()) {}
Event::~Event() {
  waiters_->wake();
}

void Event::notify() {
  waiters_->wake();
}

Task<> Event::wait() {
  co_await wait_until(base::MonotonicTime::max());
}

Task<bool> Event::wait_until(base::MonotonicTime deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  const Registration registration(waiters_, timer);
  boost::system::error_code error;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  co_return error == asio::error::operation_aborted;
}

}  // namespace slipway::io
