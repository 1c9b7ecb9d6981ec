// The command line, understood by CLI11 from the verb table. The only file that includes CLI11 is parse.cc.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/verb.h"

namespace slipway::cli {

struct Parsed {
  std::vector<const Verb*> path;  // {keys, create}; empty when no verb was given
  bool help = false;
  bool version = false;  // --version, for people who expect it
};

// Fills `globals` and the verb's targets. Errors have the code `usage`, with a "did you mean" when one is
// near.
base::Result<Parsed> parse(const std::vector<std::string>& arguments, const std::vector<Verb>& verbs,
                           Globals& globals);
// The format asked for, found before parsing so that a usage error can be printed in it.
OutputFormat output_wanted(const std::vector<std::string>& arguments);

}  // namespace slipway::cli
