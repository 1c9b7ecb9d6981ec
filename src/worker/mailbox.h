// From the engine's loop to the HTTP loop: tokens of all requests in one queue, one wake-up a step instead of
// one a token.
//
// The engine hands out the tokens of a step one after the other; the first one wakes the HTTP loop, and what
// follows before it gets there is taken along. Threads: put() from the engine's loop, delivery on the HTTP
// loop. Ownership: the loop outlives the mailbox, and the engine stops calling sinks before the mailbox goes.
// Bounds: what waits here is at most what the engine makes between two turns of the HTTP loop.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "io/loop.h"
#include "worker/answer.h"

namespace slipway::worker {

class Mailbox {
 public:
  explicit Mailbox(io::Loop& loop) : loop_(loop) {}

  // A sink that delivers to one choice of `answer`.
  std::shared_ptr<engine::Sink> sink(std::shared_ptr<Answer> answer, std::size_t choice);

 private:
  struct End {
    engine::FinishReason reason;
    engine::Usage usage;
    std::optional<base::Error> error;
  };
  struct Item {
    std::shared_ptr<Answer> answer;
    std::size_t choice = 0;
    TokenItem token;
    std::unique_ptr<End> end;  // set: the choice's last item
  };
  class ChoiceSink;

  void put(Item item);
  void deliver();

  io::Loop& loop_;
  std::mutex mutex_;
  std::vector<Item> items_;  // guarded by mutex_; not empty = a delivery is on its way
  std::vector<Item> batch_;  // HTTP loop only; keeps its capacity
};

}  // namespace slipway::worker
