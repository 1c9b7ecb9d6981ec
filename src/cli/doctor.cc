#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/cloud.h"
#include "cli/cloud_doctor.h"
#include "cli/doctor_checks.h"
#include "cli/interrupt.h"
#include "cli/text.h"
#include "cli/up.h"
#include "store/environment.h"

namespace slipway::cli {
namespace {

struct Options {
  std::string file;
  bool paths = false;
};

constexpr int kPreconditionExit = 4;

std::string_view word(Health health) {
  switch (health) {
    case Health::ok:
      return "ok";
    case Health::warn:
      return "warn";
    case Health::fail:
      return "fail";
  }
  return "fail";
}

Style style(Health health) {
  return health == Health::ok ? Style::green : health == Health::warn ? Style::yellow : Style::red;
}

int print_paths(Invocation& invocation, const io::Paths& paths, const store::EnvironmentPaths& where) {
  const Json all{{"configuration", paths.config.string()},
                 {"data", paths.data.string()},
                 {"models", (paths.data / "models").string()},
                 {"state", where.directory.string()},
                 {"logs", where.logs.string()},
                 {"daemon_output", (where.directory / kDaemonOutput).string()},
                 {"runtime", paths.runtime.string()},
                 {"control_socket", where.control_socket.string()},
                 {"worker_sockets", where.workers.string()}};
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, all);
    return 0;
  }
  Table table({{.heading = "WHAT"}, {.heading = "PATH", .keep = true}});
  for (const auto& [what, path] : all.items()) table.add({what, path.get<std::string>()});
  invocation.console.out(table.render(invocation.console.facts()));
  return 0;
}

void print_findings(Console& console, const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& f : findings) {
    out += pad_right(console.paint_out(style(f.health), word(f.health)), 5) + " " + pad_right(f.check, 15) +
           " " + without_controls(f.message) + "\n";
    if (!f.next.empty()) out += std::string(22, ' ') + "next: " + f.next + "\n";
  }
  console.out(out);
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const LoadedBlueprint loaded, load_blueprint({.file = options.file, .flags = {}}));
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  if (options.paths) {
    SLIPWAY_TRY(const store::EnvironmentPaths where, store::environment_paths(paths, client.environment()));
    return print_paths(invocation, paths, where);
  }
  Work work(invocation);
  const std::vector<Finding> findings = loaded.blueprint.target == domain::Target::eks
                                            ? examine_cloud(loaded, paths, work.patience)
                                            : examine({loaded, paths, client});
  work.watcher.finish();
  const auto failed = std::ranges::count(findings, Health::fail, &Finding::health);
  const auto warned = std::ranges::count(findings, Health::warn, &Finding::health);
  if (invocation.globals.output == OutputFormat::table) {
    print_findings(invocation.console, findings);
    invocation.console.out(
        fmt::format("{} checks: {} failed, {} to look at\n", findings.size(), failed, warned));
  } else {
    Json checks = Json::array();
    for (const Finding& f : findings) {
      checks.push_back({{"check", f.check},
                        {"health", word(f.health)},
                        {"message", f.message},
                        {"next", f.next.empty() ? Json() : Json(f.next)}});
    }
    print_value(invocation.console, invocation.globals.output,
                Json{{"ok", failed == 0}, {"checks", std::move(checks)}});
  }
  return failed == 0 ? 0 : kPreconditionExit;
}

}  // namespace

Verb doctor_verb() {
  auto o = std::make_shared<Options>();
  return {.name = "doctor",
          .group = "Run",
          .summary = "check this machine, and say how to mend what is wrong",
          .about =
              "Looks at programs, folders, disk, memory, processor, port, kernel and daemon. With the "
              "blueprint of an "
              "EKS environment: programs, identity, permissions, zones, quotas, reach, audit trail and "
              "token. Changes "
              "nothing.",
          .options = {{.names = "--paths",
                       .target = &o->paths,
                       .help = "Print every folder and socket that Slipway uses, and stop."},
                      {.names = "-f,--file",
                       .target = &o->file,
                       .value = "FILE",
                       .help = "Check for the environment of this tfvars file.",
                       .is_file = true}},
          .examples = {{"slipway doctor", "a line a check: ok, warn or fail, with the next command"}},
          .exits = {{4, "a check failed"}},
          .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
