#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/model_view.h"
#include "cli/text.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

struct Options {
  std::string name;
  std::int64_t drain_s = 30;
  bool dry_run = false;
};

base::Result<int> dry_run(Invocation& invocation, ControlClient& client, const std::string& name) {
  SLIPWAY_TRY(const Json answer, client.get("/control/v1/models"));
  const Json& models = list_of(answer, "models");
  const auto found = std::ranges::find_if(
      models, [&](const Json& m) { return text_of(m, "id") == name || text_of(m, "model") == name; });
  if (found == models.end()) {
    std::string message = fmt::format("no model named \"{}\" is deployed", name);
    if (const auto near = nearest(name, model_names(models)))
      message += fmt::format("; did you mean {}?", *near);
    return Error(ErrorCode::unknown_model, std::move(message));
  }
  double requests = 0;
  Json replicas = Json::array();
  for (const Json& replica : list_of(*found, "replicas")) {
    requests += number_of(replica, "running") + number_of(replica, "waiting");
    replicas.push_back(text_of(replica, "id"));
  }
  const Json plan{
      {"would_undeploy", text_of(*found, "id")}, {"replicas", replicas}, {"requests_in_flight", requests}};
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, plan);
  } else {
    invocation.console.out(fmt::format("would undeploy {}: {}, {} in flight\n", text_of(*found, "id"),
                                       counted(static_cast<double>(replicas.size()), "replica"),
                                       counted(requests, "request")));
  }
  return 0;
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  if (cluster) return cluster_undeploy(invocation, *cluster, options.name, options.dry_run);
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  if (options.dry_run) return dry_run(invocation, client, options.name);
  Interrupt interrupt;
  Progress progress(invocation.console, invocation.globals.quiet);
  const std::string path =
      fmt::format("/control/v1/models/{}?drain_s={}", percent_encoded(options.name), options.drain_s);
  auto result = client.follow("DELETE", path, Json(), progress);
  if (!result && result.error().code() == ErrorCode::interrupted) {
    return Error(ErrorCode::interrupted, "stopped watching; the daemon goes on draining " + options.name)
        .with_next("`slipway status` shows what is left of it.");
  }
  if (!result) return std::move(result).error();
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, *result);
    return 0;
  }
  invocation.console.out(fmt::format("undeployed {}: {} stopped, {} cut\n", text_of(*result, "undeployed"),
                                     counted(number_of(*result, "replicas"), "replica"),
                                     counted(number_of(*result, "requests_cut"), "request")));
  return 0;
}

}  // namespace

Verb undeploy_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "undeploy",
      .group = "Models",
      .summary = "drain a model and stop its replicas",
      .about =
          "Requests in flight may finish for --drain seconds. The model's file stays in the store, so that a "
          "deploy is "
          "quick.",
      .options = {{.names = "NAME",
                   .target = &o->name,
                   .help = "The model's id or its Hugging Face id.",
                   .required = true},
                  {.names = "--drain",
                   .target = &o->drain_s,
                   .value = "SECONDS",
                   .help = "Time for requests in flight (default 30).",
                   .range = {0, 3600}},
                  {.names = "--dry-run",
                   .target = &o->dry_run,
                   .help = "Say what would be stopped; change nothing."}},
      .examples = {{"slipway undeploy smollm2-135m", "drain it, stop it, say how many requests were cut"}},
      .exits = {{1, "no such model is deployed"}, {4, "Slipway is not running"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
