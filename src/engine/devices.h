// The GPUs that this build of llama.cpp can compute on. None without a GPU backend in the build or without a
// driver. The first call starts the backends (about a second with a driver); later ones only ask. Any thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/gpu.h"

struct ggml_backend_device;

namespace slipway::engine {

std::vector<domain::Gpu> gpus();

// The device of LoadPlan::device: nullptr is the processor. load_failed when there is no GPU of that name.
base::Result<ggml_backend_device*> find_device(std::string_view name);

// Starts that device's driver, which wants what a sandbox refuses later: CUDA makes a socket.
base::Result<void> start_device(std::string_view name);

}  // namespace slipway::engine
