#include "io/loop.h"

#include <pthread.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <exception>

#include "base/check.h"
#include "io/poller.h"

namespace slipway::io {
namespace {

void abort_with(const std::exception_ptr& escaped) {
  try {
    std::rethrow_exception(escaped);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "an exception left a coroutine: %s\n", e.what());
  } catch (...) {
    std::fprintf(stderr, "an exception left a coroutine\n");
  }
  std::abort();
}

Task<> repeat(base::Duration period, std::function<void()> fn) {
  while (true) {
    co_await sleep_for(period);
    fn();
  }
}

}  // namespace

// One thread runs the reactor, so that it needs no locks; the scheduler keeps its own for post() from other
// threads.
Loop::Loop(std::string thread_name)
    : name_(std::move(thread_name)),
      poller_(std::make_unique<Poller>()),
      context_(static_cast<int>(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO)),
      work_(asio::make_work_guard(context_)) {
  poller_->attach(context_);
}

Loop::~Loop() {
  stop();
  if (thread_.joinable()) thread_.join();
  poller_->shutdown();
}

void Loop::start() {
  SLIPWAY_CHECK(!thread_.joinable());
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    run();
  });
}

void Loop::run() {
  runner_ = std::this_thread::get_id();
  context_.run();
  runner_ = std::thread::id();
}

void Loop::stop() {
  context_.stop();
}

void Loop::spawn(Task<> task) {
  asio::co_spawn(context_, std::move(task), [](const std::exception_ptr& escaped) {
    if (escaped) abort_with(escaped);
  });
}

void Loop::every(base::Duration period, std::function<void()> fn) {
  spawn(repeat(period, std::move(fn)));
}

base::MonotonicTime Loop::now() const {
  return poller_->now();
}

bool Loop::may_use() const {
  const std::thread::id runner = runner_;
  return runner == std::thread::id() || runner == std::this_thread::get_id();
}

Task<> sleep_for(base::Duration d) {
  return sleep_until(base::monotonic_now() + d);
}

Task<> sleep_until(base::MonotonicTime t) {
  asio::steady_timer timer(co_await asio::this_coro::executor, t);
  boost::system::error_code error;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
}

}  // namespace slipway::io
