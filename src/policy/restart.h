// What to do when a worker ends unasked: why it ended, when to start it again, when to give up, and which
// requests are too dangerous to run again.
//
// Back-off doubles from first_delay to max_delay with "equal jitter" (half fixed, half random; Brooker,
// "Exponential backoff and jitter", AWS 2015), so that replicas that died together do not load together. A
// worker that stayed healthy for healthy_after starts over at the first delay. More than max_exits unasked
// ends within window is a crash loop: it waits for a person. A cause that another try cannot mend (the file
// is broken, it does not fit) is a crash loop at once.
//
// Pure: `now` and the Rng are arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "base/time.h"

namespace slipway::policy {

enum class Cause {
  asked,          // we told it to end
  out_of_memory,  // the kernel's OOM killer, a failed allocation, our own fit check in the worker
  killed,         // SIGKILL or SIGTERM from outside
  crash,          // SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGSYS
  no_progress,    // we ended it because it made no token progress
  load_failed,    // it said that it cannot load the model
  exited,         // any other status
};
std::string_view to_string(Cause cause);
// The coded error of the cause, for messages: out_of_memory -> does_not_fit, no_progress -> no_progress, ...
base::ErrorCode code_of(Cause cause);

// How a worker ended. Exactly one of `status` and `signal` is meaningful: signal > 0 means killed by it.
struct WorkerEnd {
  int status = 0;
  int signal = 0;
  bool asked = false;  // we sent it a drain or a stop
  bool stuck = false;  // we killed it for making no progress
  bool was_ready = false;
  std::uint64_t oom_kills = 0;  // kernel or cgroup OOM kills counted while it died, when the system tells
  std::string failed_code;      // "E3005": of its own last `failed` line; empty without one
  std::string failed_message;
  std::vector<std::string> last_lines;  // of stderr, newest last
};

struct CauseReport {
  Cause cause = Cause::exited;
  std::string words;      // "ended by signal 11 (SIGSEGV) while it answered requests"
  bool hopeless = false;  // another try cannot help until something is changed
};
CauseReport classify(const WorkerEnd& end);

struct RestartLimits {
  base::Duration first_delay = std::chrono::milliseconds(500);
  base::Duration max_delay = std::chrono::seconds(60);
  base::Duration window = std::chrono::minutes(10);
  base::Duration healthy_after = std::chrono::minutes(2);
  int max_exits = 5;  // within the window
};

// One replica's past, kept by the supervisor. Bounded: entries older than the window are dropped.
struct RestartHistory {
  std::vector<base::MonotonicTime> ends;  // oldest first
  int failures_in_row = 0;                // since it was last healthy
};

struct RestartDecision {
  bool restart = false;  // false: asked to end, or a crash loop
  bool crash_loop = false;
  base::Duration delay{};
  std::string reason;
};
// Records the end in `history`. `ready_for`: how long it had been ready; zero when it never was.
RestartDecision decide_restart(RestartHistory& history, const CauseReport& cause, base::Duration ready_for,
                               base::MonotonicTime now, base::Rng& rng, const RestartLimits& limits = {});

// Quarantine. Every request of the step that died gets a strike: with one it runs alone next time, so that a
// second crash names the culprit; with two it is refused for kQuarantine. A strike ends when its request
// finishes, or with time.
inline constexpr base::Duration kQuarantine = std::chrono::minutes(10);
inline constexpr std::size_t kMaxStrikes = 4'096;  // fingerprints remembered; the oldest is dropped

enum class Verdict { run, run_alone, refuse };

class StrikeBook {
 public:
  // A worker died during a step of these requests. 0 is no fingerprint.
  void strike(std::span<const std::uint64_t> fingerprints, base::MonotonicTime now);
  // The request ended well: its first strike is taken back. A refused one stays refused.
  void absolve(std::uint64_t fingerprint);
  Verdict judge(std::uint64_t fingerprint, base::MonotonicTime now) const;
  // How long a refused request stays refused; zero for others.
  base::Duration refused_for(std::uint64_t fingerprint, base::MonotonicTime now) const;
  std::size_t size() const { return entries_.size(); }
  // Every fingerprint that has a strike, oldest strike first.
  std::vector<std::uint64_t> fingerprints() const {
    std::vector<std::uint64_t> out;
    for (const Entry& entry : entries_) out.push_back(entry.fingerprint);
    return out;
  }

 private:
  struct Entry {
    std::uint64_t fingerprint = 0;
    int strikes = 0;
    base::MonotonicTime last{};
  };
  const Entry* find(std::uint64_t fingerprint, base::MonotonicTime now) const;
  std::vector<Entry> entries_;  // oldest strike first
};

}  // namespace slipway::policy
