// Requests that ended workers, shared by all replicas: who runs alone, who is refused (policy::StrikeBook
// decides).
//
// Threads: refused() from any thread (the gateway asks for every request: one relaxed load while nobody is
// refused); the rest on the daemon's loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "base/time.h"
#include "codec/worker_arguments.h"
#include "domain/worker_protocol.h"
#include "policy/restart.h"

namespace slipway::supervisor {

// The fingerprints of the step that was running when the page was last written. Never trusts the page: a
// worker that crashed may have written anything.
std::vector<std::uint64_t> read_crash_page(const domain::CrashPage& page);

class Quarantine {
 public:
  // A worker ended during a step of these requests. Returns those that are refused from now on.
  std::vector<std::uint64_t> strike(std::span<const std::uint64_t> fingerprints, base::MonotonicTime now);
  // For a worker that starts.
  codec::Strikes strikes(base::MonotonicTime now) const;
  // Forgets what is over. Cheap; call now and then.
  void expire(base::MonotonicTime now);

  bool refused(std::uint64_t fingerprint) const;

 private:
  void publish(base::MonotonicTime now);
  policy::StrikeBook book_;
  std::atomic<std::size_t> refused_count_{0};
  mutable std::mutex mutex_;
  std::unordered_set<std::uint64_t> refused_;  // guarded by mutex_
};

}  // namespace slipway::supervisor
