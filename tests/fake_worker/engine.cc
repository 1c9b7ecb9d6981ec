#include "engine.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>

#include "codec/worker_protocol.h"

namespace slipway::fake {
namespace {

void pause_ms(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

bool holds(const std::vector<std::uint64_t>& list, std::uint64_t value) {
  return std::ranges::find(list, value) != list.end();
}

}  // namespace

Engine::Engine(const codec::WorkerArguments& arguments, Switches switches)
    : switches_(switches),
      plan_(arguments.plan),
      control_(arguments.control_fd),
      strikes_(arguments.strikes) {
  if (arguments.crash_page_fd < 0) return;
  void* const memory = ::mmap(nullptr, sizeof(domain::CrashPage), PROT_READ | PROT_WRITE, MAP_SHARED,
                              arguments.crash_page_fd, 0);
  if (memory == MAP_FAILED) return;
  page_ = static_cast<domain::CrashPage*>(memory);
  page_->magic = domain::CrashPage::kMagic;
}

void Engine::say(const domain::WorkerMessage& message) {
  if (control_ < 0 || hangs_) return;
  const std::string line =
      switches_.garbage_control ? "}{ nonsense\n" : codec::encode_worker_message(message);
  if (::write(control_, line.data(), line.size()) < 0) ::_exit(3);
}

void Engine::beat() {
  domain::WorkerBeat beat;
  {
    std::lock_guard lock(mutex_);
    beat = {.steps = tokens_,
            .tokens = tokens_,
            .running = static_cast<std::uint32_t>(running_.size()),
            .waiting = 0,
            .kv_used = 10 * running_.size()};
  }
  say(beat);
}

void Engine::load() {
  for (int i = 0; i < switches_.prints; ++i) std::fprintf(stderr, "line %d of the engine\n", i);
  if (switches_.exit_at_start != 0) {
    std::fprintf(stderr, "the fake engine cannot start\n");
    std::exit(switches_.exit_at_start);
  }
  if (!switches_.fail_code.empty()) {
    say(domain::WorkerFailed{switches_.fail_code, "the fake engine does not like this model",
                             "Use another model."});
    std::exit(1);
  }
  const int steps = std::max(1, switches_.load_steps);
  for (int i = 0; i < steps; ++i) {
    if (switches_.load_hangs && i * 2 >= steps) hang();
    say(domain::WorkerProgress{"weights", static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(steps),
                               "bytes"});
    pause_ms(switches_.load_ms / steps);
  }
  say(domain::WorkerReady{{.fingerprint = "fake",
                           .context_tokens = plan_.context_tokens,
                           .kv_tokens = plan_.kv_tokens,
                           .parallel = plan_.parallel,
                           .layout = plan_.layout,
                           .device = plan_.device,
                           .resident_bytes = 1,
                           .load_seconds = 0.001 * switches_.load_ms}});
  if (switches_.crash_after_ms > 0)
    std::thread([this] {
      pause_ms(switches_.crash_after_ms);
      crash();
    }).detach();
}

void Engine::drain() {
  if (switches_.ignores_term) return;
  for (;; pause_ms(5)) {
    std::lock_guard lock(mutex_);
    if (running_.empty()) break;
  }
  say(domain::WorkerDrained{});
  ::_exit(0);
}

bool Engine::begin(std::uint64_t fingerprint) {
  std::lock_guard lock(mutex_);
  if (holds(strikes_.refuse, fingerprint)) return false;
  running_.insert(fingerprint);
  write_page();
  return true;
}

void Engine::end(std::uint64_t fingerprint) {
  std::lock_guard lock(mutex_);
  running_.erase(running_.find(fingerprint));
  write_page();
}

void Engine::write_page() {
  if (page_ == nullptr) return;
  std::vector<std::uint64_t> step;
  for (const std::uint64_t f : running_)
    if (holds(strikes_.alone, f)) step = {f};
  if (step.empty()) step.assign(running_.begin(), running_.end());
  const std::size_t count = std::min(step.size(), domain::CrashPage::kSlots);
  for (std::size_t i = 0; i < count; ++i) page_->fingerprints[i] = step[i];
  page_->count = static_cast<std::uint32_t>(count);
}

void Engine::set_strikes(codec::Strikes strikes) {
  std::lock_guard lock(mutex_);
  strikes_ = std::move(strikes);
}

void Engine::token() {
  if (static_cast<int>(++tokens_) == switches_.hang_after || hangs_) hang();
  pause_ms(switches_.token_ms);
}

void Engine::crash() {
  std::fprintf(stderr, "the fake engine crashes now\n");
  std::signal(SIGSEGV, SIG_DFL);
  std::raise(SIGSEGV);
  ::_exit(4);
}

void Engine::hang() {
  hangs_ = true;
  for (;;) pause_ms(1000);
}

}  // namespace slipway::fake
