// The GPUs of this machine, as slipway-worker sees them: only it is linked with a driver, so it is asked.
// Blocking, about a second; no process is started where no NVIDIA driver is loaded. A worker that fails has
// none, and the log says why.
#pragma once

#include <filesystem>
#include <vector>

#include "domain/gpu.h"

namespace slipway::control {

std::vector<domain::Gpu> read_gpus(const std::filesystem::path& worker);

}  // namespace slipway::control
