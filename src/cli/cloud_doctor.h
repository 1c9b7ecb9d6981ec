// What `slipway doctor -f` looks at for an environment in the cloud: programs, identity, permissions, zones,
// quotas, reach, audit trail, budget's tag, token. Read-only in the account. Threads: main.
#pragma once

#include <vector>

#include "cli/blueprint_settings.h"
#include "cli/doctor_checks.h"
#include "io/files.h"
#include "io/patience.h"

namespace slipway::cli {

std::vector<Finding> examine_cloud(const LoadedBlueprint& loaded, const io::Paths& paths,
                                   const io::Patience& patience);

}  // namespace slipway::cli
