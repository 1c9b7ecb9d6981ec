// The worker's end of its control socket: lines up to the supervisor, end of file down means that the parent
// is gone.
//
// Threads: send() from any thread. Lines are written whole under a lock. Progress and beats are dropped when
// the parent does not read (the next one says more); ready, failed and drained wait up to kPatience for room.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>

#include "domain/worker_protocol.h"
#include "io/lines.h"
#include "io/process.h"

namespace slipway::worker {

class ControlPipe {
 public:
  static constexpr std::chrono::seconds kPatience{2};

  // -1: nobody listens, everything is dropped.
  explicit ControlPipe(int fd);
  void send(const domain::WorkerMessage& message);
  // `on_gone` runs once on the loop when the parent closed its end (also when it died).
  void watch(io::Loop& loop, std::function<void()> on_gone);

 private:
  std::mutex mutex_;
  io::Fd fd_;
  std::optional<io::LineReader> reader_;
};

}  // namespace slipway::worker
