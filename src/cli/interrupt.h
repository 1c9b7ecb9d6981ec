// Ctrl-C: the first SIGINT (or SIGTERM) sets a flag that waiting calls look at, the second ends the process
// with 130.
//
// One per process, installed by the verb that waits; the destructor puts the old handlers back. Threads: main
// only; the flag may be read anywhere. Blocking reads return early (no SA_RESTART).
#pragma once

#include <signal.h>

#include <atomic>
#include <chrono>

namespace slipway::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  static const std::atomic<bool>& flag();
  static bool raised();
  static void clear();  // an answer was stopped; the program goes on
  // False when it was cut short by an interrupt.
  static bool sleep(std::chrono::duration<double> time);

 private:
  struct sigaction old_interrupt_{};
  struct sigaction old_terminate_{};
};

}  // namespace slipway::cli
