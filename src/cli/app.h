// From argv to an exit code: parse, run the verb, print its error.
#pragma once

#include <string>
#include <vector>

#include "cli/verb.h"

namespace slipway::cli {

// `arguments` without the program's name. Never throws.
int run(const std::vector<std::string>& arguments, Console& console);

}  // namespace slipway::cli
