// A GPU that slipway-worker can compute on. The worker says which there are (`slipway-worker --gpus`),
// because only it is linked with a driver; control decides with that. Units: bytes.
#pragma once

#include <cstdint>
#include <string>

namespace slipway::domain {

struct Gpu {
  std::string name;         // llama.cpp's, unique on this machine: "CUDA0"
  std::string description;  // "NVIDIA H100 80GB HBM3"
  std::uint64_t memory_bytes = 0;
  std::uint64_t free_bytes = 0;
};

}  // namespace slipway::domain
