// What `slipway doctor` looks at. Each check answers what it found and, unless all is well, the next command.
//
// Read-only and local; the longest wait is the daemon's probe. Threads: main.
#pragma once

#include <string>
#include <vector>

#include "cli/blueprint_settings.h"
#include "cli/client.h"
#include "domain/gpu.h"
#include "io/files.h"

namespace slipway::cli {

enum class Health { ok, warn, fail };

struct Finding {
  std::string check;
  Health health = Health::ok;
  std::string message;
  std::string next;  // with warn and fail
};

struct DoctorInput {
  const LoadedBlueprint& loaded;
  const io::Paths& paths;
  ControlClient& client;
};

std::vector<Finding> examine(const DoctorInput& input);

// The parts, for tests.
Finding check_memory(std::uint64_t available, std::uint64_t total);
Finding check_disk(std::uint64_t free, const std::string& path);
Finding check_gpus(const std::vector<domain::Gpu>& gpus);
Finding check_processor(std::string_view cpuinfo);

}  // namespace slipway::cli
