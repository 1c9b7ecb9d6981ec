// An event loop on one thread. Everything made on a loop is used on that loop only; nothing here takes a lock
// but post().
//
// Ownership: a Loop owns its thread; destroying it stops and joins. Coroutines that still wait are then
// destroyed, not resumed. Threads: post(), spawn() and stop() from anywhere, the rest on the loop, or before
// it runs and after it stopped. Task<T> is an Asio coroutine. Shapes that are safe everywhere: bind `co_await
// x` to a named local before testing it; never capture in a lambda coroutine, pass arguments instead.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "base/time.h"

namespace slipway::io {

namespace asio = boost::asio;
template <class T = void>
using Task = asio::awaitable<T>;

class Poller;

class Loop {
 public:
  explicit Loop(std::string thread_name);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  asio::io_context& context() { return context_; }
  // Starts the thread; or call run() to use the calling thread until stop().
  void start();
  void run();
  // Any thread. Pending handlers are dropped, not run.
  void stop();
  // Any thread. `f` runs on the loop.
  template <class F>
  void post(F&& f) {
    asio::post(context_, std::forward<F>(f));
  }
  // Starts a coroutine on the loop from any thread. An exception that escapes it is a defect and aborts.
  void spawn(Task<> task);
  // Loop thread: fn runs every `period` until the loop stops. For sweeps of deadlines, not for exact timing.
  void every(base::Duration period, std::function<void()> fn);
  // Monotonic time of this turn of socket events, read once a turn: cheap enough for every request.
  // Elsewhere, the clock.
  base::MonotonicTime now() const;

  // For io/ itself: readiness of sockets.
  Poller& poller() { return *poller_; }
  // The calling thread is the one that runs the loop, or nobody runs it.
  bool may_use() const;

 private:
  std::string name_;
  // Sockets inside the context's coroutines leave the poller as they die: it goes last.
  std::unique_ptr<Poller> poller_;
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
  std::atomic<std::thread::id> runner_{};
};

Task<> sleep_for(base::Duration d);
Task<> sleep_until(base::MonotonicTime t);

}  // namespace slipway::io
