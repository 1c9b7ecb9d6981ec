#include "cli/app.h"

#include <exception>

#include "cli/help.h"
#include "cli/parse.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

base::Result<int> dispatch(const std::vector<std::string>& arguments, Console& console,
                           OutputFormat& format) {
  const std::vector<Verb> verbs = all_verbs();
  Globals globals;
  SLIPWAY_TRY(const Parsed parsed, parse(arguments, verbs, globals));
  format = globals.output;
  if (parsed.help || (parsed.path.empty() && !parsed.version)) {
    console.out(help_text(verbs, parsed.path, console.facts()));
    return 0;
  }
  if (parsed.version) {
    console.out("slipway " SLIPWAY_VERSION "\n");
    return 0;
  }
  const Verb& verb = *parsed.path.back();
  if (!verb.action) {
    std::string names;
    for (const Verb& child : verb.children) names += (names.empty() ? "" : ", ") + child.name;
    return Error(ErrorCode::usage, verb.name + " needs one of: " + names)
        .with_next("Run `slipway " + verb.name + " --help`.");
  }
  Invocation invocation{console, globals, verbs};
  return verb.action(invocation);
}

}  // namespace

int run(const std::vector<std::string>& arguments, Console& console) {
  OutputFormat format = output_wanted(arguments);
  try {
    base::Result<int> result = dispatch(arguments, console, format);
    return result ? *result : print_error(console, format, result.error());
  } catch (const std::exception& e) {
    return print_error(console, format,
                       Error(ErrorCode::internal, std::string("an exception escaped a verb: ") + e.what()));
  }
}

}  // namespace slipway::cli
