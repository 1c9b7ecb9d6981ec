#include "cli/confirm.h"

#include <fmt/format.h>

namespace slipway::cli {

base::Result<bool> confirm(Invocation& invocation, const std::string& question) {
  if (invocation.globals.yes) return true;
  const TerminalFacts& facts = invocation.console.facts();
  if (!facts.in_tty || !facts.err_tty) {
    return base::Error(base::ErrorCode::confirmation,
                       fmt::format("\"{}\" needs an answer, and there is no terminal to ask on", question))
        .with_next("Add --yes.");
  }
  const auto answer = invocation.console.read_line(question + " [y/N] ");
  if (!answer) invocation.console.err("\n");
  const bool yes = answer && (*answer == "y" || *answer == "Y" || *answer == "yes");
  if (!yes) print_note(invocation.console, "Nothing was changed.");
  return yes;
}

}  // namespace slipway::cli
