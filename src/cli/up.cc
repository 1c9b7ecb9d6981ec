#include "cli/up.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/time.h"
#include "cli/client.h"
#include "cli/cloud.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/model_view.h"
#include "codec/blueprint.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

void print_settings(Invocation& invocation, const std::string& environment, const LoadedBlueprint& loaded) {
  if (invocation.globals.output != OutputFormat::table) {
    Json settings = Json::object();
    for (const Resolved& r : loaded.settings)
      settings[r.info.name] = {{"value", r.value}, {"where", r.where}};
    print_value(invocation.console, invocation.globals.output,
                Json{{"would_start", environment}, {"settings", settings}});
    return;
  }
  Table table({{.heading = "SETTING", .keep = true}, {.heading = "VALUE"}, {.heading = "DECIDED BY"}});
  for (const Resolved& r : loaded.settings) table.add({r.info.name, r.value, r.where});
  invocation.console.out(fmt::format("would start environment \"{}\" with:\n", environment) +
                         table.render(invocation.console.facts()));
}

// The last lines of an error's evidence, indented: what a child program said comes last.
std::string evidence(std::string_view detail) {
  constexpr int kLines = 3;
  while (detail.ends_with('\n')) detail.remove_suffix(1);
  std::size_t from = detail.size();
  for (int line = 0; line < kLines && from != std::string_view::npos && from > 0; ++line)
    from = detail.rfind('\n', from - 1);
  if (from != std::string_view::npos && from > 0) detail.remove_prefix(from + 1);
  std::string out;
  for (char c : detail) out += c == '\n' ? "\n    " : std::string(1, c);
  return out.empty() ? out : "\n    " + out;
}

// What to do about the first model that failed with an error of its own.
std::string next_step(const Json& status) {
  for (const Json& model : list_of(status, "models")) {
    const Json& error = object_of(model, "error");
    if (text_of(model, "state") == "ready" || text_of(error, "message").empty()) continue;
    return fmt::format("Mend the cause, then `slipway deploy {}`; `slipway explain {}` says more.",
                       text_of(model, "id"), text_of(error, "code"));
  }
  return "`slipway status` shows each replica, `slipway logs NAME` its last lines.";
}

// The models that are not as they should be, in words; empty when all are.
std::string failures(const Json& status) {
  std::string out;
  for (const Json& model : list_of(status, "models")) {
    const std::string state = text_of(model, "state");
    if (state == "ready") continue;
    out += fmt::format("{}{} is {}", out.empty() ? "" : "\n", text_of(model, "id"), state);
    const Json& error = object_of(model, "error");
    const std::string why = text_of(error, "message");
    if (!why.empty())
      out += fmt::format(": {} {}{}", text_of(error, "code"), why, evidence(text_of(error, "detail")));
    for (const Json& replica : list_of(model, "replicas")) {
      if (const std::string remark = replica_remark(replica); !remark.empty()) out += ": " + remark;
    }
  }
  return out;
}

base::Result<int> finish(Invocation& invocation, const Json& status) {
  const std::string url = text_of(object_of(status, "gateway"), "url");
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, status);
  } else {
    if (!invocation.globals.quiet) {
      invocation.console.err(fmt::format("{}\nOpenAI-compatible endpoint:\n", text_of(status, "summary")));
    }
    invocation.console.out(url + "/v1\n");
  }
  if (flag_of(status, "healthy", true)) return 0;
  return Error(ErrorCode::partial, "Slipway runs, but not every model does")
      .with_detail(failures(status))
      .with_next(next_step(status));
}

base::Result<int> follow_models(Invocation& invocation, ControlClient& client) {
  Progress progress(invocation.console, invocation.globals.quiet);
  auto status = client.follow("GET", "/control/v1/progress", Json(), progress);
  if (!status && status.error().code() == ErrorCode::interrupted) {
    return Error(ErrorCode::interrupted, "stopped watching; Slipway runs and goes on with its models")
        .with_next("`slipway status --watch` shows it, `slipway down` stops it.");
  }
  if (!status) return std::move(status).error();
  return finish(invocation, *status);
}

base::Result<int> already_running(Invocation& invocation, ControlClient& client, const UpOptions& options) {
  SLIPWAY_TRY(const Json status, client.get("/control/v1/status"));
  if (!invocation.globals.quiet) {
    print_note(invocation.console,
               fmt::format("Slipway is already running in environment \"{}\" (pid {:.0f}); nothing to do.",
                           client.environment(), number_of(status, "pid")));
  }
  if (!options.sources.file.empty() || !options.sources.flags.empty()) {
    print_warning(invocation.console,
                  "its settings stay as they are; `slipway down` and `slipway up` take new ones");
  }
  return follow_models(invocation, client);
}

base::Result<int> start(Invocation& invocation, const UpOptions& options, StartReport& report) {
  SLIPWAY_TRY(const LoadedBlueprint loaded, load_blueprint(options.sources));
  if (loaded.blueprint.target == domain::Target::eks && !options.dry_run)
    return cloud_up(invocation, loaded,
                    {.sources = options.sources,
                     .allow_my_ip = options.allow_my_ip,
                     .reachable = options.reachable,
                     .check_pools = options.check_pools});
  if (loaded.blueprint.target == domain::Target::kubernetes && !options.dry_run)
    return cluster_up(invocation, loaded);
  SLIPWAY_RETURN_IF_ERROR(codec::require_local(loaded.blueprint));
  const std::string environment = up_environment(invocation.globals, loaded);
  if (options.dry_run) {
    print_settings(invocation, environment, loaded);
    return 0;
  }
  for (const std::string& warning : loaded.blueprint.warnings) print_warning(invocation.console, warning);
  if (options.foreground) return run_in_foreground(invocation, options, loaded, report);
  Globals globals = invocation.globals;
  globals.environment = environment;
  SLIPWAY_TRY(ControlClient client, ControlClient::of(globals));
  Interrupt interrupt;
  if (client.running()) return already_running(invocation, client, options);
  auto ready = start_in_background(options, environment);
  if (!ready && ready.error().code() == ErrorCode::already_running)
    return already_running(invocation, client, options);
  if (!ready) return std::move(ready).error();
  if (!invocation.globals.quiet) {
    print_note(invocation.console,
               fmt::format("the gateway serves {} (pid {})", text_of(*ready, "url"), text_of(*ready, "pid")));
  }
  return follow_models(invocation, client);
}

base::Result<int> run(Invocation& invocation, const UpOptions& options) {
  StartReport report(options.report_fd);
  auto end = start(invocation, options, report);
  if (!end) report.failed(end.error());
  return end;
}

}  // namespace

Verb up_verb() {
  auto o = std::make_shared<UpOptions>();
  return {
      .name = "up",
      .group = "Run",
      .summary = "start Slipway, and wait until its models answer",
      .about =
          "Starts the daemon in the background: the gateway, the control socket and one worker process a "
          "replica. The "
          "models are those of the tfvars file and those deployed before; without any, the embedded one. A "
          "second `up` "
          "changes nothing and says so. Prints the endpoint. In a container or under systemd use "
          "--foreground. With a blueprint of target \"eks\" it brings the environment up in AWS, or to what "
          "the "
          "blueprint says now; killed or failed at any point, run it again and it goes on.",
      .options =
          {{.names = "-f,--file",
            .target = &o->sources.file,
            .value = "FILE",
            .help = "The environment's blueprint (*.tfvars).",
            .is_file = true},
           {.names = "--set",
            .target = &o->sources.flags,
            .value = "NAME=VALUE",
            .help = "A blueprint variable, over file and environment; may be repeated."},
           {.names = "--foreground", .target = &o->foreground, .help = "Be the daemon; end with it."},
           {.names = "--no-models", .target = &o->no_models, .help = "Add none of the blueprint's models."},
           {.names = "--dry-run", .target = &o->dry_run, .help = "Print the settings it would start with."},
           {.names = "--allow-my-ip",
            .target = &o->allow_my_ip,
            .help = "On EKS: let this machine's public address reach the cluster's API."},
           {.names = "--reachable",
            .target = &o->reachable,
            .help = "On EKS: this machine reaches the VPC (VPN, peering), so the API may be private."},
           {.names = "--check-pools",
            .target = &o->check_pools,
            .help =
                "On EKS: start a small pod on every node pool at the end; costs a node of each for minutes."},
           {.names = "--report-fd",
            .target = &o->report_fd,
            .value = "N",
            .help = "Where a background start reports.",
            .range = {-1, 1024},
            .hidden = true}},
      .examples = {{"slipway up", "the embedded model behind http://127.0.0.1:8000/v1"},
                   {"slipway up -f env.tfvars --set gateway_port=8080",
                    "an environment of your own, on another port"},
                   {"slipway up -f eks.tfvars --allow-my-ip",
                    "an EKS environment; ask `slipway plan` for its price first"}},
      .exits = {{1, "the daemon did not start"},
                {4, "a port is taken, a key is required, another target is asked for"},
                {7, "Slipway runs, but a model does not"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
