// What the kernel says about processes and this machine (/proc, cgroups, the scheduler). Reads are small and
// do not block on disks. Unknown numbers are 0.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <vector>
#include "base/time.h"

namespace slipway::io {

struct ProcessUse {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
};
std::optional<ProcessUse> process_use(pid_t pid);

// Start time in clock ticks since boot: with the pid it names one process for ever (until the next boot).
std::optional<std::uint64_t> process_start_ticks(pid_t pid);
// Kills (SIGKILL, by pidfd) the process only when it started at `start_ticks`. True when it was there.
bool kill_if_same(pid_t pid, std::uint64_t start_ticks);

// Blocks until the process has ended (also when nobody reaps it), or the deadline passed: false then.
bool wait_for_end(pid_t pid, base::Deadline deadline);

// State, kernel wait channel and name of every thread (at most 64), one a line: evidence about a process that
// hangs.
std::string process_evidence(pid_t pid);

struct Machine {
  int processors = 1;              // this process may use: affinity and cgroup quota
  std::uint64_t memory_bytes = 0;  // the machine's or the cgroup's limit, whichever is less
  std::uint64_t memory_available_bytes = 0;
};
Machine machine();

// One processor that this process may use (sched_getaffinity), with its place (/sys/devices/system/cpu).
struct ProcessorPlace {
  int id = 0;    // the operating system's number
  int core = 0;  // hyperthreads of one core share this
  int node = 0;  // memory node
};
std::vector<ProcessorPlace> processor_places();
// Words of the first processor's flags ("avx2") or Features ("asimd") line in /proc/cpuinfo.
std::set<std::string, std::less<>> processor_features();

// Processes the kernel ended for want of memory since boot, on the whole machine.
std::uint64_t oom_kill_count();

}  // namespace slipway::io
