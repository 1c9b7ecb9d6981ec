// A question before something that cannot be taken back.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/verb.h"

namespace slipway::cli {

// True to go on. Asks on a terminal; without one, or with -o json, --yes is required (error `confirmation`).
base::Result<bool> confirm(Invocation& invocation, const std::string& question);

}  // namespace slipway::cli
