#include "cli/interrupt.h"

#include <unistd.h>

namespace slipway::cli {
namespace {

constexpr int kInterruptedExit = 130;
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

}  // namespace slipway::cli
