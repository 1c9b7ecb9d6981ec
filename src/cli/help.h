// Help for people and the generated command reference, both from the verb table.
#pragma once

#include <string>
#include <vector>

#include "cli/verb.h"

namespace slipway::cli {

// `path` empty: the overview of all verbs.
std::string help_text(const std::vector<Verb>& verbs, const std::vector<const Verb*>& path,
                      const TerminalFacts& facts);
// docs/cli.md.
std::string help_markdown(const std::vector<Verb>& verbs);
// docs/errors.md.
std::string errors_markdown();

}  // namespace slipway::cli
