#include <sys/utsname.h>

#include <fmt/format.h>

#include "cli/verb.h"

namespace slipway::cli {
namespace {

std::string platform() {
  utsname name{};
  if (uname(&name) != 0) return "unknown";
  return fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

base::Result<int> run(Invocation& invocation) {
  const Json value{{"version", SLIPWAY_VERSION}, {"compiler", __VERSION__}, {"platform", platform()}};
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, value);
    return 0;
  }
  invocation.console.out("slipway " SLIPWAY_VERSION "\n");
  if (invocation.globals.verbose) {
    invocation.console.out(fmt::format("compiler {}\nplatform {}\n", __VERSION__, platform()));
  }
  return 0;
}

}  // namespace

Verb version_verb() {
  return {.name = "version",
          .group = "Slipway itself",
          .summary = "print the version",
          .about = "With -v or -o json also the compiler and the platform, for a report.",
          .examples = {{"slipway version -o json", "version, compiler and platform for a program"}},
          .action = run};
}

}  // namespace slipway::cli
