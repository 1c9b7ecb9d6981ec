// The worker's end of its control socket: lines up to the supervisor, end of file down means that the parent
// is gone.
//
// Threads: send() from any thread. Lines are written whole under a lock. Progress and beats are dropped when
// the parent does not read (the next one says more); ready, failed and drained wait up to kPatience for room.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "domain/worker_protocol.h"
#include "io/loop.h"
#include "io/process.h"

namespace slipway::worker {

class ControlPipe {
 public:
  static constexpr int kPatienceMs = 2000;

  // -1: nobody listens, everything is dropped.
  explicit ControlPipe(int fd);
  ~ControlPipe();
  void send(const domain::WorkerMessage& message);
  // `on_gone` runs once on the loop when the parent closed its end (also when it died).
  void watch(io::Loop& loop, std::function<void()> on_gone);

 private:
  struct Watch;
  std::mutex mutex_;
  io::Fd fd_;
  std::shared_ptr<Watch> watch_;
};

}  // namespace slipway::worker
