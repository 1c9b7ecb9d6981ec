// Is a worker alive? Alive means token progress, never an open port.
//
// A busy engine beats from inside its step (once a graph node), an idle one once a second; so silence is the
// sign of death, however long one decode lasts. While it loads, progress lines and beats count alike and
// silence may be longer: one large tensor from a slow disk is no failure. A worker whose beats come but whose
// step and token counts stand still with requests in hand is stuck too, found more slowly, because a very
// long decode looks the same. When our own loop was held up (a suspended machine, a stopped daemon), nobody
// is judged by the time in which we did not listen.
//
// Pure: `now` is an argument.
#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "domain/worker_protocol.h"

namespace slipway::supervisor {

struct LivenessLimits {
  base::Duration silence = std::chrono::seconds(10);         // of a ready worker
  base::Duration start_silence = std::chrono::seconds(120);  // of one that loads
  int standstill_factor = 30;                                // x silence: beats without progress
};

class Liveness {
 public:
  Liveness(LivenessLimits limits, base::MonotonicTime started);
  void heard(const domain::WorkerMessage& message, base::MonotonicTime now);
  // Call several times within `silence`. Why the worker is stuck, in words; nullopt while it is alive.
  std::optional<std::string> check(base::MonotonicTime now);
  base::Duration silent_for(base::MonotonicTime now) const { return now - heard_; }

 private:
  const LivenessLimits limits_;
  bool ready_ = false;
  base::MonotonicTime heard_;     // last line of any kind
  base::MonotonicTime advanced_;  // last line that showed progress, or had nothing to do
  base::MonotonicTime checked_;
  domain::WorkerBeat last_;
};

}  // namespace slipway::supervisor
