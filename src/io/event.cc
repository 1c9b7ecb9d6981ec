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
  const std::shared_ptr<Waiters> waiters = waiters_;  // outlives the Event while we are suspended
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  waiters->timers.insert(&timer);
  boost::system::error_code error;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  waiters->timers.erase(&timer);
  co_return error == asio::error::operation_aborted;
}

}  // namespace slipway::io
