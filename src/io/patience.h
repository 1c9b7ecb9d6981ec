// Waiting for something that happens elsewhere: every wait has a deadline, says what it waits for, and ends
// at Ctrl-C. Blocking; for commands, never for loop threads.
//
// Failure: interrupted, timeout with what was waited for.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace slipway::io {

class Patience {
 public:
  using OnWait = std::function<void(std::string_view what, base::Duration elapsed)>;
  // `interrupted` must outlive this and may be null. No pause is longer than `longest_pause`.
  explicit Patience(const std::atomic<bool>* interrupted = nullptr, OnWait on_wait = {},
                    base::Duration longest_pause = std::chrono::minutes(1))
      : interrupted_(interrupted), on_wait_(std::move(on_wait)), longest_pause_(longest_pause) {}

  bool interrupted() const { return interrupted_ != nullptr && *interrupted_; }
  base::Result<void> check() const;  // `interrupted`, or nothing
  base::Result<void> pause(base::Duration time) const;
  void tell(std::string_view what, base::Duration elapsed) const {
    if (on_wait_) on_wait_(what, elapsed);
  }
  // Asks `there` until it is true; its error ends the wait.
  base::Result<void> until(const std::string& what, base::Duration limit, base::Duration between,
                           const std::function<base::Result<bool>()>& there) const;

 private:
  const std::atomic<bool>* interrupted_;
  OnWait on_wait_;
  base::Duration longest_pause_;
};

}  // namespace slipway::io
