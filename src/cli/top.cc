#include <fmt/format.h>

#include <memory>

#include "base/time.h"
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/cluster_top.h"
#include "cli/interrupt.h"
#include "cli/text.h"
#include "cli/watch.h"

namespace slipway::cli {
namespace {

struct Options {
  bool once = false;
  double interval_s = 2;
};

// A dash for a number that is not known.
std::string maybe(const Json& object, const char* key, double scale, std::string_view unit) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return "-";
  const double value = found->get<double>() * scale;
  return fmt::format("{:.{}f}{}", value, value < 10 && unit != " %" ? 1 : 0, unit);
}

std::string bytes(const Json& object, const char* key) {
  const double value = number_of(object, key);
  return value > 0 ? base::human_bytes(static_cast<unsigned long long>(value)) : "-";
}

std::string whole(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? fmt::format("{:.0f}", found->get<double>()) : "-";
}

std::string human(const Console& console, const Json& top, const char* how_to_deploy) {
  using enum Table::Align;
  std::string out = fmt::format("{}  {:.1f} requests/s  {:.0f} tokens/s\n\n", text_of(top, "at"),
                                number_of(top, "requests_per_s"), number_of(top, "tokens_per_s"));
  Table table({{.heading = "MODEL", .keep = true},
               {.heading = "REQ/S", .align = right},
               {.heading = "PROMPT TOK/S", .align = right},
               {.heading = "OUTPUT TOK/S", .align = right},
               {.heading = "RUNNING", .align = right},
               {.heading = "WAITING", .align = right},
               {.heading = "KV", .align = right},
               {.heading = "PREFIX HITS", .align = right},
               {.heading = "TTFT P50", .align = right},
               {.heading = "TTFT P99", .align = right},
               {.heading = "CPU", .align = right},
               {.heading = "MEMORY", .align = right}});
  for (const Json& m : list_of(top, "models")) {
    table.add({without_controls(text_of(m, "id")), maybe(m, "requests_per_s", 1, ""),
               maybe(m, "prompt_tokens_per_s", 1, ""), maybe(m, "output_tokens_per_s", 1, ""),
               whole(m, "running"), whole(m, "waiting"), maybe(m, "kv_ratio", 100, " %"),
               maybe(m, "prefix_hit_ratio", 100, " %"), maybe(m, "ttft_ms_p50", 1, " ms"),
               maybe(m, "ttft_ms_p99", 1, " ms"), maybe(m, "cpu_percent", 1, " %"),
               bytes(m, "resident_bytes")});
  }
  if (table.rows() == 0)
    return out + fmt::format("No model is deployed: `slipway deploy {}`.\n", how_to_deploy);
  const auto height = static_cast<std::size_t>(console.facts().height);
  out += table.render(console.facts(), height - 4);
  for (const Json& replica : list_of(top, "not_read"))
    out += fmt::format("{} could not be asked: {}\n", without_controls(text_of(replica, "replica")),
                       without_controls(text_of(replica, "why")));
  return out;
}

// Nothing of any replica: that is a failure, with what is missing.
base::Result<void> check_readable(const environment::MetricsLook& look, const std::string& name_space) {
  const environment::ReplicaMetrics* refused = nullptr;
  for (const environment::ReplicaMetrics& replica : look.replicas) {
    if (replica.counters) return {};
    if (!replica.why_not.empty()) refused = &replica;
  }
  if (refused == nullptr) return {};
  return base::Error(base::ErrorCode::kubernetes_failed, "no replica's metrics can be read")
      .with_detail(fmt::format("{}: {}", refused->replica, refused->why_not))
      .with_next(
          fmt::format("`top` needs kubectl, and the right to get pods/proxy or to create pods/portforward in "
                      "namespace {}: docs/guides/kubernetes.md.",
                      name_space));
}

constexpr auto kLeastBetween = std::chrono::seconds(1);  // of two looks, for a rate

base::Result<int> of_cluster(Invocation& invocation, const Options& options, bool repeat,
                             const environment::ClusterPlace& place) {
  const io::Patience patience(&Interrupt::flag());  // watch() installs it
  SLIPWAY_TRY(kube::Client api, kube::Client::open(place.kubeconfig, place.context));
  environment::ModelMetrics metrics(api, place, patience);
  const auto between = std::max<base::Duration>(
      kLeastBetween,
      std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(options.interval_s)));
  std::optional<environment::MetricsLook> before;
  const auto snapshot = [&]() -> base::Result<std::string> {
    if (!before) {
      SLIPWAY_TRY(before, metrics.look());
      SLIPWAY_RETURN_IF_ERROR(patience.pause(between));
    }
    SLIPWAY_TRY(environment::MetricsLook now, metrics.look());
    SLIPWAY_RETURN_IF_ERROR(check_readable(now, place.name_space));
    const Json top = top_between(*before, now, base::wall_now());
    before = std::move(now);
    return shown(invocation, top, [&] { return human(invocation.console, top, "values.yaml"); }, repeat);
  };
  return watch(invocation, repeat, base::seconds(between), snapshot);
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  const bool repeat =
      invocation.console.facts().out_tty && !options.once && invocation.globals.output == OutputFormat::table;
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  if (cluster) return of_cluster(invocation, options, repeat, *cluster);
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  const auto snapshot = [&]() -> base::Result<std::string> {
    SLIPWAY_TRY(const Json top, client.get("/control/v1/top"));
    return shown(invocation, top, [&] { return human(invocation.console, top, "smollm2-135m"); }, repeat);
  };
  return watch(invocation, repeat, options.interval_s, snapshot);
}

}  // namespace

Verb top_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "top",
      .group = "Run",
      .summary = "how busy each model is, refreshed",
      .about =
          "Rates are over the last 5 seconds; on a cluster between two looks at the replicas' own metrics, "
          "and `-` is what a server or the cluster does not say. On a terminal it refreshes until Ctrl-C; "
          "elsewhere it prints one look.",
      .options = {{.names = "--once", .target = &o->once, .help = "One look, also on a terminal."},
                  {.names = "--interval",
                   .target = &o->interval_s,
                   .value = "SECONDS",
                   .help = "Time between two looks (default 2).",
                   .range = {0.1, 3600}}},
      .examples = {{"slipway top", "requests, tokens, time to the first token, memory"}},
      .exits = {{1, "no replica's metrics can be read"}, {4, "Slipway is not running"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
