// What all threads of one gateway share: the options, the published values, counters that are relaxed
// atomics. No lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/published.h"
#include "domain/key.h"
#include "domain/replica.h"
#include "gateway/limits.h"
#include "gateway/server.h"
#include "policy/route.h"
#include "telemetry/metrics.h"

namespace slipway::gateway {

struct Core {
  Core(GatewayOptions o, const base::Published<domain::Snapshot>& s, const base::Published<domain::KeySet>& k,
       telemetry::Registry& m)
      : options(std::move(o)), snapshot(s), keys(k), metrics(m) {}

  GatewayOptions options;
  const base::Published<domain::Snapshot>& snapshot;
  const base::Published<domain::KeySet>& keys;
  telemetry::Registry& metrics;
  policy::RoutePolicy route = policy::least_loaded;

  LimitTable limits;
  // Requests on their way to each replica, by its slot.
  std::array<std::atomic<std::uint32_t>, domain::kMaxReplicas> in_flight{};
  std::atomic<std::uint32_t> requests{0};  // relayed calls of all clients
  std::atomic<bool> draining{false};
  // Set once before the threads start.
  bool off_loopback = false;  // then keys are required whatever the KeySet says
  bool local_socket = false;  // the gateway listens on a unix socket
};

// One more in an atomic count for as long as it lives.
class Counted {
 public:
  Counted() = default;
  explicit Counted(std::atomic<std::uint32_t>& count) : count_(&count) {
    count.fetch_add(1, std::memory_order_relaxed);
  }
  Counted(Counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  Counted& operator=(Counted&& other) noexcept {
    end();
    count_ = std::exchange(other.count_, nullptr);
    return *this;
  }
  ~Counted() { end(); }

 private:
  void end() {
    if (count_) count_->fetch_sub(1, std::memory_order_relaxed);
    count_ = nullptr;
  }
  std::atomic<std::uint32_t>* count_ = nullptr;
};

}  // namespace slipway::gateway
