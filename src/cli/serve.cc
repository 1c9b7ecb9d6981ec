#include <fmt/format.h>

#include <memory>

#include "cli/up.h"
#include "codec/blueprint.h"
#include "control/cluster_watch.h"
#include "control/controller.h"
#include "gateway/serve.h"
#include "io/http.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

struct Options {
  std::string role = "all";
  UpOptions up;  // --role all
  gateway::GatewayRoleOptions gateway;
  std::vector<std::string> replicas, namespaces;
  std::string kubeconfig, context;
  std::string lease = "slipway-controller";
  std::int64_t threads = 1;
  std::int64_t drain_s = 30;
};

base::Result<int> serve_gateway(Invocation& invocation, Options& options) {
  options.gateway.threads = static_cast<int>(options.threads);
  options.gateway.drain = std::chrono::seconds(options.drain_s);
  const auto say = [&](const domain::Endpoint& at) {
    if (!invocation.globals.quiet)
      invocation.console.err(fmt::format("serving http://{}/v1\n", io::to_string(at)));
  };
  if (options.namespaces.empty()) {
    SLIPWAY_TRY(domain::Snapshot snapshot, gateway::static_snapshot(options.replicas));
    const base::Published<domain::Snapshot> fixed(
        std::make_shared<const domain::Snapshot>(std::move(snapshot)));
    SLIPWAY_RETURN_IF_ERROR(gateway::run_gateway_role(options.gateway, fixed, say));
    return 0;
  }
  if (!options.replicas.empty())
    return Error(ErrorCode::usage, "--replica and --namespace exclude each other")
        .with_next("A cluster's replicas are found by their labels.");
  SLIPWAY_TRY(const auto watch,
              control::ClusterWatch::open({options.kubeconfig, options.context}, options.namespaces));
  options.gateway.ready_without_models = true;
  SLIPWAY_RETURN_IF_ERROR(gateway::run_gateway_role(options.gateway, watch->snapshot(), say));
  return 0;
}

base::Result<int> serve_all(Invocation& invocation, Options& options) {
  SLIPWAY_TRY(const LoadedBlueprint loaded, load_blueprint(options.up.sources));
  SLIPWAY_RETURN_IF_ERROR(codec::require_local(loaded.blueprint));
  StartReport none(-1);
  return run_in_foreground(invocation, options.up, loaded, none);
}

base::Result<int> serve_controller(const Options& options) {
  SLIPWAY_RETURN_IF_ERROR(control::run_controller({.access = {options.kubeconfig, options.context},
                                                   .namespaces = options.namespaces,
                                                   .lease = options.lease,
                                                   .identity = {}}));
  return 0;
}

base::Result<int> run(Invocation& invocation, Options& options) {
  if (options.role == "gateway") return serve_gateway(invocation, options);
  return options.role == "controller" ? serve_controller(options) : serve_all(invocation, options);
}

}  // namespace

Verb serve_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "serve",
      .group = "Slipway itself",
      .summary = "run one role in the foreground, for containers",
      .about =
          "The role all is `slipway up --foreground`. The role gateway is the front door alone, with no "
          "state on disk: in front of a fixed list of replicas, or of the models of a cluster's namespaces.",
      .options = {{.names = "--role",
                   .target = &o->role,
                   .value = "ROLE",
                   .help = "What to run (default all).",
                   .choices = {"all", "gateway", "controller"}},
                  {.names = "-f,--file",
                   .target = &o->up.sources.file,
                   .value = "FILE",
                   .help = "all: the environment's blueprint (*.tfvars).",
                   .is_file = true},
                  {.names = "--set",
                   .target = &o->up.sources.flags,
                   .value = "NAME=VALUE",
                   .help = "all: a blueprint variable; may be repeated."},
                  {.names = "--no-models",
                   .target = &o->up.no_models,
                   .help = "all: add none of the blueprint's models."},
                  {.names = "--listen",
                   .target = &o->gateway.listen,
                   .value = "HOST:PORT",
                   .help = "gateway: where to listen (default 127.0.0.1:8000)."},
                  {.names = "--replica",
                   .target = &o->replicas,
                   .value = "MODEL=ENDPOINT",
                   .help = "gateway: a replica, as HOST:PORT or unix:PATH; may be repeated."},
                  {.names = "--namespace",
                   .target = &o->namespaces,
                   .value = "NAME",
                   .help = "gateway, controller: a namespace with models; may be repeated."},
                  {.names = "--lease",
                   .target = &o->lease,
                   .value = "NAME",
                   .help = "controller: the Lease by which one leads (default slipway-controller)."},
                  {.names = "--kubeconfig",
                   .target = &o->kubeconfig,
                   .value = "FILE",
                   .help = "the cluster, where this is no pod of it.",
                   .is_file = true},
                  {.names = "--context",
                   .target = &o->context,
                   .value = "NAME",
                   .help = "of the kubeconfig (default its current one)."},
                  {.names = "--key-file",
                   .target = &o->gateway.key_file,
                   .value = "FILE",
                   .help = "gateway: one key a line, with optional limits and scope.",
                   .is_file = true},
                  {.names = "--log",
                   .target = &o->gateway.log,
                   .value = "FILE",
                   .help = "gateway: the request log; - is stdout.",
                   .is_file = true},
                  {.names = "--threads",
                   .target = &o->threads,
                   .value = "N",
                   .help = "gateway: event loops (default 1).",
                   .range = {1, 256}},
                  {.names = "--drain",
                   .target = &o->drain_s,
                   .value = "SECONDS",
                   .help = "gateway: time for requests in flight at the end (default 30).",
                   .range = {0, 3600}}},
      .examples = {{"slipway serve --role gateway --listen 127.0.0.1:8000 --replica llama=10.0.0.7:8000",
                    "the gateway in front of one server"}},
      .exits = {{1, "it failed while it ran"},
                {4, "the port is taken, a key is required, or the role needs a cluster"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
