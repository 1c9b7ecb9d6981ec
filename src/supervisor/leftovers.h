// Workers of a daemon that was killed. They end by themselves (PDEATHSIG, end of file on the control socket);
// this is the third belt: whoever is still there and provably ours (same pid, same start time, same boot) is
// killed.
//
// The list is a small file beside the state: one "pid start_ticks boot_id" a line, rewritten when a worker
// starts or ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/result.h"

namespace slipway::supervisor {

using WorkerIdentity = std::pair<pid_t, std::uint64_t>;  // pid, start ticks

base::Result<void> record_workers(const std::filesystem::path& file,
                                  const std::vector<WorkerIdentity>& workers);
// Kills what the file names and is still running; removes the file. Returns the pids that were killed.
std::vector<pid_t> end_leftovers(const std::filesystem::path& file);

}  // namespace slipway::supervisor
