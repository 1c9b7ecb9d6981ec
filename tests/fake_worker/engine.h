// The fake engine: who is running, the crash page, strikes, beats. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string_view>

#include "codec/worker_arguments.h"
#include "domain/worker_protocol.h"
#include "switches.h"

namespace slipway::fake {

class Engine {
 public:
  Engine(const codec::WorkerArguments& arguments, Switches switches);

  // Control lines. Nothing is sent once the engine hangs.
  void say(const domain::WorkerMessage& message);
  void beat();
  void load();   // progress, then ready; or what the switches say
  void drain();  // waits until nothing runs, says so and exits

  // A request runs from begin() to end(); the page names it meanwhile. A request with a strike has the page
  // for itself.
  bool begin(std::uint64_t fingerprint);  // false: it is refused
  void end(std::uint64_t fingerprint);
  void set_strikes(codec::Strikes strikes);
  void token();  // counts one; hangs for ever when its time has come
  [[noreturn]] void crash();
  [[noreturn]] void hang();

  const Switches& switches() const { return switches_; }
  const domain::LoadPlan& plan() const { return plan_; }

 private:
  void write_page();
  const Switches switches_;
  const domain::LoadPlan plan_;
  const int control_;
  domain::CrashPage* page_ = nullptr;
  std::atomic<std::uint64_t> tokens_{0};
  std::atomic<bool> hangs_{false};
  std::mutex mutex_;
  std::multiset<std::uint64_t> running_;  // guarded by mutex_, as are the strikes
  codec::Strikes strikes_;
};

}  // namespace slipway::fake
