#include "cli/watch.h"

#include <chrono>

#include "cli/interrupt.h"

namespace slipway::cli {
namespace {

constexpr int kInterruptedExit = 130;
constexpr std::string_view kHomeAndClear = "\x1b[H\x1b[2J";

}  // namespace

std::string shown(const Invocation& invocation, const Json& value, const std::function<std::string()>& human,
                  bool repeat) {
  switch (invocation.globals.output) {
    case OutputFormat::table:
      return human();
    case OutputFormat::yaml:
      return (repeat ? "---\n" : "") + to_yaml(value);
    case OutputFormat::json:
      break;
  }
  return repeat ? value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n" : to_json_text(value);
}

base::Result<int> watch(Invocation& invocation, bool repeat, double interval_s, const Snapshot& snapshot) {
  Console& console = invocation.console;
  const bool redraw = repeat && console.facts().out_tty && console.facts().cursor &&
                      invocation.globals.output == OutputFormat::table;
  Interrupt interrupt;
  while (true) {
    auto text = snapshot();
    if (!text && Interrupt::raised()) return kInterruptedExit;
    if (!text) return std::move(text).error();
    if (redraw) console.out(kHomeAndClear);
    console.out(*text);
    if (!repeat) return 0;
    if (!Interrupt::sleep(std::chrono::duration<double>(interval_s))) return kInterruptedExit;
    if (!redraw && invocation.globals.output == OutputFormat::table) console.out("\n");
  }
}

}  // namespace slipway::cli
