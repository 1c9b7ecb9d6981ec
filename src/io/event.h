// A wake-up between coroutines of one loop: wait() suspends until somebody calls notify().
//
// It does not stick: a notify() with nobody waiting is lost, so look at the state first and wait after.
// Threads: the loop's only. An Event may be destroyed while somebody waits: the waiter resumes.
#pragma once

#include <memory>

#include "base/time.h"
#include "io/loop.h"

namespace slipway::io {

class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void notify();
  Task<> wait();
  // False when the time passed first.
  Task<bool> wait_until(base::MonotonicTime deadline);

 private:
  struct Waiters;
  class Registration;
  std::shared_ptr<Waiters> waiters_;
};

}  // namespace slipway::io
