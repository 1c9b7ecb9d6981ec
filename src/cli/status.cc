#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "cli/client.h"
#include "cli/cloud.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/model_view.h"
#include "cli/text.h"
#include "cli/watch.h"

namespace slipway::cli {
namespace {

struct Options {
  bool watch = false;
  double interval_s = 2;
};

constexpr std::size_t kLinesBesideTable = 8;  // summary, gateway, blank lines, heading, the prompt

std::string human(const Console& console, const Json& status) {
  std::string out = console.paint_out(flag_of(status, "healthy", true) ? Style::bold : Style::red,
                                      without_controls(text_of(status, "summary"))) +
                    "\n";
  const Json& gateway = object_of(status, "gateway");
  out +=
      fmt::format("\n{}/v1, {}\n", text_of(gateway, "url"),
                  flag_of(gateway, "keys_required") ? "a key is required" : "no key needed on this machine");
  const Table table = replica_table(list_of(status, "models"), console);
  if (table.rows() == 0)
    return out + "\nDeploy a model: `slipway deploy smollm2-135m`, or see `slipway models --available`.\n";
  const auto height = static_cast<std::size_t>(console.facts().height);
  return out + "\n" +
         table.render(console.facts(), height > kLinesBesideTable + 2 ? height - kLinesBesideTable : 2);
}

base::Result<int> of_cluster(Invocation& invocation, const Options& options,
                             const environment::ClusterPlace& place) {
  const io::Patience patience(&Interrupt::flag());
  const auto snapshot = [&]() -> base::Result<std::string> {
    SLIPWAY_TRY(const Json models, cluster_models(invocation.globals, place, patience));
    const auto ready =
        std::ranges::count_if(models, [](const Json& m) { return text_of(m, "state") == "ready"; });
    const Json status{{"environment", environment_name(invocation.globals)},
                      {"target", "kubernetes"},
                      {"namespace", place.name_space},
                      {"healthy", static_cast<std::size_t>(ready) == models.size()},
                      {"models", models}};
    return shown(
        invocation, status,
        [&] {
          std::string out =
              fmt::format("{} of {} ready in namespace {}.\n", ready,
                          counted(static_cast<double>(models.size()), "model"), place.name_space);
          const Table table = cluster_table(models, invocation.console);
          return table.rows() == 0 ? out + "\nDeploy a model: `slipway deploy values.yaml`.\n"
                                   : out + "\n" + table.render(invocation.console.facts());
        },
        options.watch);
  };
  return watch(invocation, options.watch, options.interval_s, snapshot);
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  if (const std::string name = environment_name(invocation.globals); is_cloud_environment(name))
    return cloud_status(invocation, name);
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  if (cluster) return of_cluster(invocation, options, *cluster);
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  const auto snapshot = [&]() -> base::Result<std::string> {
    SLIPWAY_TRY(const Json status, client.get("/control/v1/status"));
    return shown(invocation, status, [&] { return human(invocation.console, status); }, options.watch);
  };
  return watch(invocation, options.watch, options.interval_s, snapshot);
}

}  // namespace

Verb status_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "status",
      .group = "Run",
      .summary = "what runs here and how it is",
      .about =
          "One sentence first, then a row for each replica, never more than a screen. A status that could be "
          "asked for "
          "exits 0 whatever it says; programs look at `healthy` of -o json.",
      .options = {{.names = "-w,--watch", .target = &o->watch, .help = "Print again and again until Ctrl-C."},
                  {.names = "--interval",
                   .target = &o->interval_s,
                   .value = "SECONDS",
                   .help = "Time between two looks (default 2).",
                   .range = {0.1, 3600}}},
      .examples = {{"slipway status", "a sentence and a table"},
                   {"slipway status -o json", "the same and more, for a program (docs/json-output.md)"}},
      .exits = {{4, "Slipway is not running"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
