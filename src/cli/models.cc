#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/time.h"
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/model_view.h"
#include "cli/text.h"

namespace slipway::cli {
namespace {

struct Options {
  bool available = false;
};

std::string tokens(double n) {
  return n >= 1024 ? fmt::format("{:.0f}k", n / 1024) : fmt::format("{:.0f}", n);
}

std::string parameters(double n) {
  return n >= 1e9 ? fmt::format("{:.1f}B", n / 1e9) : fmt::format("{:.0f}M", n / 1e6);
}

std::string deployed_table(const Console& console, const Json& models) {
  using enum Table::Align;
  Table table({{.heading = "ID", .keep = true},
               {.heading = "STATE", .keep = true},
               {.heading = "READY", .align = right},
               {.heading = "TASK"},
               {.heading = "CONTEXT", .align = right},
               {.heading = "AT ONCE", .align = right},
               {.heading = "MODEL"},
               {.heading = "FILE"},
               {.heading = "LICENCE"}});
  for (const Json& m : models) {
    std::size_t ready = 0;
    for (const Json& replica : list_of(m, "replicas")) ready += text_of(replica, "state") == "ready" ? 1 : 0;
    table.add({without_controls(text_of(m, "id")), state_cell(console, text_of(m, "state")),
               fmt::format("{}/{:.0f}", ready, number_of(m, "replicas_wanted")), text_of(m, "task"),
               tokens(number_of(m, "context_tokens")), fmt::format("{:.0f}", number_of(m, "parallel")),
               without_controls(text_of(m, "model")), without_controls(text_of(m, "file")),
               without_controls(text_of(m, "license"))});
  }
  return table.render(console.facts());
}

// What it costs and says: bytes of the chosen file.
double file_bytes(const Json& entry) {
  const std::string chosen = text_of(entry, "file");
  for (const Json& file : list_of(entry, "files")) {
    if (text_of(file, "name") == chosen) return number_of(file, "bytes");
  }
  return list_of(entry, "files").empty() ? 0 : number_of(list_of(entry, "files").front(), "bytes");
}

std::string catalogue_table(const Console& console, const Json& models) {
  using enum Table::Align;
  Table table({{.heading = "NAME", .keep = true},
               {.heading = "FITS", .keep = true},
               {.heading = "SIZE", .align = right},
               {.heading = "PARAMETERS", .align = right},
               {.heading = "CONTEXT", .align = right},
               {.heading = "TASK"},
               {.heading = "LICENCE"},
               {.heading = "WHY"}});
  for (const Json& m : models) {
    const bool fits = flag_of(m, "fits");
    const std::string here = flag_of(m, "downloaded") ? " (here)" : "";
    table.add({without_controls(text_of(m, "name")),
               console.paint_out(fits ? Style::green : Style::dim, (fits ? "yes" : "no") + here),
               base::human_bytes(static_cast<unsigned long long>(file_bytes(m))),
               parameters(number_of(m, "parameters")), tokens(number_of(m, "context_tokens")),
               text_of(m, "task"), without_controls(text_of(m, "license")),
               without_controls(text_of(m, "reason", text_of(m, "description")))});
  }
  return table.render(console.facts());
}

// What a cluster tells: no files, contexts and licences.
std::string cluster_models_table(const Console& console, const Json& models) {
  Table table({{.heading = "ID", .keep = true},
               {.heading = "STATE", .keep = true},
               {.heading = "READY", .align = Table::Align::right},
               {.heading = "SERVER"},
               {.heading = "MODEL"}});
  for (const Json& m : models) {
    const Json& replicas = list_of(m, "replicas");
    const auto ready =
        std::ranges::count_if(replicas, [](const Json& r) { return text_of(r, "state") == "ready"; });
    table.add({without_controls(text_of(m, "id")), state_cell(console, text_of(m, "state")),
               fmt::format("{}/{}", ready, replicas.size()), without_controls(text_of(m, "framework")),
               without_controls(text_of(m, "model"))});
  }
  return table.render(console.facts());
}

base::Result<int> of_cluster(Invocation& invocation, const Options& options,
                             const environment::ClusterPlace& place) {
  if (options.available)
    return base::Error(base::ErrorCode::target_unsupported,
                       "the catalogue says what fits this machine, not a cluster")
        .with_next(
            "Values files for many models, with what each needs, are in platform/models/ of the sources.");
  Interrupt interrupt;
  const io::Patience patience(&Interrupt::flag());
  SLIPWAY_TRY(const Json models, cluster_models(invocation.globals, place, patience));
  Console& console = invocation.console;
  if (invocation.globals.output != OutputFormat::table)
    print_value(console, invocation.globals.output, Json{{"models", models}});
  else if (models.empty())
    console.err(
        fmt::format("No model is deployed in namespace {}. `slipway deploy values.yaml` deploys one.\n",
                    place.name_space));
  else
    console.out(cluster_models_table(console, models));
  return 0;
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  if (cluster) return of_cluster(invocation, options, *cluster);
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  SLIPWAY_TRY(const Json answer,
              client.get(options.available ? "/control/v1/catalog" : "/control/v1/models"));
  Console& console = invocation.console;
  if (invocation.globals.output != OutputFormat::table) {
    print_value(console, invocation.globals.output, answer);
    return 0;
  }
  const Json& models = list_of(answer, "models");
  if (models.empty()) {
    console.err("No model is deployed. `slipway models --available` lists what could be.\n");
    return 0;
  }
  console.out(options.available ? catalogue_table(console, models) : deployed_table(console, models));
  return 0;
}

}  // namespace

Verb models_verb() {
  auto o = std::make_shared<Options>();
  return {.name = "models",
          .group = "Models",
          .summary = "what is deployed, or what could be",
          .options = {{.names = "-a,--available",
                       .target = &o->available,
                       .help = "The catalogue instead: every model, whether it fits this machine, and why."}},
          .examples = {{"slipway models", "the deployed models"},
                       {"slipway models --available", "what `slipway deploy NAME` takes"}},
          .exits = {{4, "Slipway is not running"}},
          .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
