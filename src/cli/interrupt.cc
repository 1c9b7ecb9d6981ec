#include "cli/interrupt.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace slipway::cli {
namespace {

constexpr int kInterruptedExit = 130;
constexpr double kMaxWaitS = 0.5;  // a signal between the look and the sleep waits this long
std::atomic<bool> g_raised{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void on_signal(int) {
  if (g_raised.exchange(true)) _exit(kInterruptedExit);
}

}  // namespace

Interrupt::Interrupt() {
  g_raised = false;
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_interrupt_);
  sigaction(SIGTERM, &action, &old_terminate_);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
}

const std::atomic<bool>& Interrupt::flag() {
  return g_raised;
}
bool Interrupt::raised() {
  return g_raised;
}
void Interrupt::clear() {
  g_raised = false;
}

bool Interrupt::sleep(std::chrono::duration<double> time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!g_raised) {
    const std::chrono::duration<double> left = end - std::chrono::steady_clock::now();
    if (left.count() <= 0) return true;
    const double wait = std::min(left.count(), kMaxWaitS);
    const timespec part{.tv_sec = static_cast<time_t>(wait),
                        .tv_nsec = static_cast<long>((wait - std::floor(wait)) * 1e9)};
    nanosleep(&part, nullptr);  // ends early when a signal comes
  }
  return false;
}

}  // namespace slipway::cli
