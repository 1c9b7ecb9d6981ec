#include <fmt/format.h>

#include <memory>

#include "base/time.h"
#include "cli/client.h"
#include "cli/cloud.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/model_view.h"
#include "cli/text.h"
#include "io/proc.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

constexpr auto kLastBreath = std::chrono::seconds(10);

struct Options {
  std::int64_t drain_s = 30;
  bool dry_run = false;
  std::string name;
  std::string file;
  std::string confirm;
};

std::string receipt_text(const Console& console, const Json& receipt) {
  Table table({{.heading = "STOPPED", .keep = true},
               {.heading = "ID", .keep = true},
               {.heading = "PID", .align = Table::Align::right},
               {.heading = "HOW"}});
  for (const Json& item : list_of(receipt, "stopped")) {
    table.add({text_of(item, "what"), text_of(item, "id"), text_of(item, "pid"),
               flag_of(item, "drained") ? "drained" : "cut"});
  }
  std::string out = table.rows() > 0 ? table.render(console.facts()) : "";
  for (const Json& path : list_of(receipt, "removed")) out += "removed  " + path.get<std::string>() + "\n";
  for (const Json& path : list_of(receipt, "kept")) out += "kept     " + path.get<std::string>() + "\n";
  const auto time = std::chrono::duration<double>(number_of(receipt, "seconds"));
  return out + fmt::format("down in {}, {} cut\n",
                           base::human_duration(std::chrono::duration_cast<base::Duration>(time)),
                           counted(number_of(receipt, "requests_cut"), "request"));
}

// The receipt is the daemon's last word, not its end: what comes next (an `up`, a removal) wants it gone.
base::Result<void> wait_for_daemon(const Json& receipt) {
  for (const Json& item : list_of(receipt, "stopped")) {
    const auto pid = static_cast<pid_t>(number_of(item, "pid"));
    if (text_of(item, "what") != "daemon" || pid <= 0) continue;
    if (io::wait_for_end(pid, base::Deadline::after(kLastBreath))) continue;
    return Error(ErrorCode::timeout,
                 fmt::format("the daemon (pid {}) stopped everything, but has not ended within {}", pid,
                             base::human_duration(kLastBreath)))
        .with_next(fmt::format("`kill -9 {}` ends it; nothing else is left.", pid));
  }
  return {};
}

int not_running(Invocation& invocation, const std::string& environment) {
  const Json receipt{{"stopped", Json::array()},
                     {"removed", Json::array()},
                     {"kept", Json::array()},
                     {"requests_cut", 0},
                     {"seconds", 0}};
  if (invocation.globals.output == OutputFormat::table) {
    invocation.console.err(
        fmt::format("Slipway is not running in environment \"{}\"; nothing to stop.\n", environment));
  } else {
    print_value(invocation.console, invocation.globals.output, receipt);
  }
  return 0;
}

base::Result<int> dry_run(Invocation& invocation, ControlClient& client) {
  SLIPWAY_TRY(const Json status, client.get("/control/v1/status"));
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output,
                Json{{"would_stop", list_of(status, "models")}});
    return 0;
  }
  invocation.console.out(
      fmt::format("would stop the daemon (pid {:.0f}) and:\n", number_of(status, "pid")) +
      replica_table(list_of(status, "models"), invocation.console).render(invocation.console.facts()));
  return 0;
}

base::Result<int> stop(Invocation& invocation, ControlClient& client, const Options& options) {
  Interrupt interrupt;
  Progress progress(invocation.console, invocation.globals.quiet);
  auto receipt = client.follow("POST", "/control/v1/shutdown", Json{{"drain_s", options.drain_s}}, progress);
  if (!receipt && receipt.error().code() == ErrorCode::interrupted) {
    return Error(ErrorCode::interrupted, "stopped watching; the daemon goes on shutting down")
        .with_next(
            "`slipway status` says whether it is gone; `slipway down --drain 0` does not wait for requests.");
  }
  if (!receipt) return std::move(receipt).error();
  const base::Result<void> gone = wait_for_daemon(*receipt);
  if (invocation.globals.output == OutputFormat::table)
    invocation.console.out(receipt_text(invocation.console, *receipt));
  else
    print_value(invocation.console, invocation.globals.output, *receipt);
  if (!gone) return gone.error();
  return 0;
}

// The environment in the cloud that is meant, if one is.
base::Result<std::optional<CloudDownOptions>> cloud_options(Invocation& invocation, const Options& options) {
  CloudDownOptions out{
      .name = options.name, .file = options.file, .confirm = options.confirm, .dry_run = options.dry_run};
  if (!options.file.empty()) {
    SLIPWAY_TRY(const LoadedBlueprint loaded, load_blueprint({.file = options.file, .flags = {}}));
    if (loaded.blueprint.target != domain::Target::eks) return std::optional<CloudDownOptions>();
    return std::optional(out);
  }
  if (out.name.empty()) out.name = environment_name(invocation.globals);
  if (is_cloud_environment(out.name)) return std::optional(out);
  if (options.name.empty()) return std::optional<CloudDownOptions>();
  return Error(ErrorCode::unknown_environment,
               fmt::format("{} is no environment in the cloud that this machine knows", options.name))
      .with_next("Give its blueprint: slipway down -f FILE. A local one is named with --environment.");
}

// The environment on a cluster of somebody's own that is meant, if one is. On EKS the whole environment goes.
base::Result<std::optional<std::pair<std::string, environment::ClusterPlace>>> cluster_meant(
    Invocation& invocation, const Options& options) {
  std::string name = options.name.empty() ? environment_name(invocation.globals) : options.name;
  if (!options.file.empty()) {
    SLIPWAY_TRY(const LoadedBlueprint loaded, load_blueprint({.file = options.file, .flags = {}}));
    if (loaded.blueprint.target != domain::Target::kubernetes)
      return std::optional<std::pair<std::string, environment::ClusterPlace>>();
    name = loaded.blueprint.name;
  }
  if (is_cloud_environment(name)) return std::optional<std::pair<std::string, environment::ClusterPlace>>();
  Globals globals = invocation.globals;
  globals.environment = name;
  SLIPWAY_TRY(const auto place, cluster_of(globals));
  if (!place) return std::optional<std::pair<std::string, environment::ClusterPlace>>();
  return std::optional(std::pair(name, *place));
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const auto cluster, cluster_meant(invocation, options));
  if (cluster) return cluster_down(invocation, cluster->first, cluster->second, options.dry_run);
  SLIPWAY_TRY(const auto in_cloud, cloud_options(invocation, options));
  if (in_cloud) return cloud_down(invocation, *in_cloud);
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  auto code = options.dry_run ? dry_run(invocation, client) : stop(invocation, client, options);
  if (!code && code.error().code() == ErrorCode::not_running)
    return not_running(invocation, client.environment());
  return code;
}

}  // namespace

Verb down_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "down",
      .group = "Run",
      .summary = "stop everything that `up` started, with a receipt",
      .about =
          "Requests in flight may finish for --drain seconds. What is stored (models, keys, deployments) "
          "stays, so that the "
          "next `up` is as before. When nothing runs it says so and exits 0. An environment in the cloud is "
          "taken away whole: it shows what goes and its price, asks for the name, and proves afterwards that "
          "nothing is left.",
      .options = {{.names = "NAME",
                   .target = &o->name,
                   .value = "NAME",
                   .help = "An environment in the cloud that this machine brought up."},
                  {.names = "-f,--file",
                   .target = &o->file,
                   .value = "FILE",
                   .help = "The blueprint of the environment to take down.",
                   .is_file = true},
                  {.names = "--confirm",
                   .target = &o->confirm,
                   .value = "NAME",
                   .help = "The environment's name: destroying one in the cloud needs it."},
                  {.names = "--drain",
                   .target = &o->drain_s,
                   .value = "SECONDS",
                   .help = "Time for requests in flight (default 30).",
                   .range = {0, 3600}},
                  {.names = "--dry-run",
                   .target = &o->dry_run,
                   .help = "Say what would be stopped; change nothing."}},
      .examples = {{"slipway down", "drain, stop, print what was stopped, removed and kept"},
                   {"slipway down -f eks.tfvars --confirm inference", "an EKS environment, down to zero"}},
      .exits = {{1, "the daemon could not be asked"},
                {7, "something is left in the account; the receipt lists it"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
