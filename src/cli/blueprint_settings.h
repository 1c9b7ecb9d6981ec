// The blueprint of an `up`: the file, then SLIPWAY_* variables, then --set flags, each winning over the one
// before.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/settings.h"
#include "domain/blueprint.h"

namespace slipway::cli {

struct BlueprintSources {
  std::string file;                // path of a tfvars file; empty: none
  std::vector<std::string> flags;  // "NAME=VALUE", from --set
};

struct LoadedBlueprint {
  domain::Blueprint blueprint;
  std::vector<Resolved> settings;  // one a variable of the table that the local target reads, in its order
};

// Errors name file, line and column, or the variable or flag. Does not ask for target "local": require_local
// does.
base::Result<LoadedBlueprint> load_blueprint(const BlueprintSources& sources);
// The environment an `up` is for: --environment, SLIPWAY_ENVIRONMENT, the file's `name`, "local".
std::string up_environment(const Globals& globals, const LoadedBlueprint& loaded);

}  // namespace slipway::cli
