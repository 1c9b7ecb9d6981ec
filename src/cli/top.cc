#include <fmt/format.h>

#include <memory>

#include "base/time.h"
#include "cli/client.h"
#include "cli/text.h"
#include "cli/watch.h"

namespace slipway::cli {
namespace {

struct Options {
  bool once = false;
  double interval_s = 2;
};

// An empty cell for a number that is not known.
std::string maybe(const Json& object, const char* key, double scale, std::string_view unit) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return "-";
  const double value = found->get<double>() * scale;
  return fmt::format("{:.{}f}{}", value, value < 10 && unit != " %" ? 1 : 0, unit);
}

std::string human(const Console& console, const Json& top) {
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
               fmt::format("{:.0f}", number_of(m, "running")), fmt::format("{:.0f}", number_of(m, "waiting")),
               maybe(m, "kv_ratio", 100, " %"), maybe(m, "prefix_hit_ratio", 100, " %"),
               maybe(m, "ttft_ms_p50", 1, " ms"), maybe(m, "ttft_ms_p99", 1, " ms"),
               maybe(m, "cpu_percent", 1, " %"),
               base::human_bytes(static_cast<unsigned long long>(number_of(m, "resident_bytes")))});
  }
  if (table.rows() == 0) return out + "No model is deployed: `slipway deploy smollm2-135m`.\n";
  const auto height = static_cast<std::size_t>(console.facts().height);
  return out + table.render(console.facts(), height - 4);
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  const bool repeat =
      invocation.console.facts().out_tty && !options.once && invocation.globals.output == OutputFormat::table;
  const auto snapshot = [&]() -> base::Result<std::string> {
    SLIPWAY_TRY(const Json top, client.get("/control/v1/top"));
    return shown(invocation, top, [&] { return human(invocation.console, top); }, repeat);
  };
  return watch(invocation, repeat, options.interval_s, snapshot);
}

}  // namespace

Verb top_verb() {
  auto o = std::make_shared<Options>();
  return {.name = "top",
          .group = "Run",
          .summary = "how busy each model is, refreshed",
          .about =
              "Rates are over the last 5 seconds. On a terminal it refreshes until Ctrl-C; elsewhere it "
              "prints one look.",
          .options = {{.names = "--once", .target = &o->once, .help = "One look, also on a terminal."},
                      {.names = "--interval",
                       .target = &o->interval_s,
                       .value = "SECONDS",
                       .help = "Time between two looks (default 2).",
                       .range = {0.1, 3600}}},
          .examples = {{"slipway top", "requests, tokens, time to the first token, memory"}},
          .exits = {{4, "Slipway is not running"}},
          .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
