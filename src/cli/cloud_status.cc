#include <fmt/format.h>

#include "cli/cloud.h"
#include "cli/text.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kRecords = 400;

std::string sentence(const Json& status) {
  const std::string life = text_of(status, "life"), name = text_of(status, "environment");
  if (life == "gone") return fmt::format("Environment {} was taken down; nothing billable is left.", name);
  const Json& step = object_of(status, "unfinished");
  if (!step.empty())
    return fmt::format("Environment {} is half way: \"{}\" {} at {}. Run `slipway {}` again, it continues.",
                       name, text_of(step, "title"),
                       text_of(step, "phase") == "failed" ? "failed" : "was begun", text_of(step, "at"),
                       life == "going-down" ? "down" : "up");
  return fmt::format("Environment {} is up: Kubernetes {} in {}.", name,
                     text_of(status, "kubernetes_version"), text_of(status, "region"));
}

}  // namespace

base::Result<int> cloud_status(Invocation& invocation, const std::string& name) {
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(const environment::Workspace where, environment::workspace_of(paths, name));
  SLIPWAY_TRY(const auto journal, environment::Journal::open_read_only(where.journal));
  SLIPWAY_TRY(const auto owner, journal.ownership());
  if (!owner)
    return Error(ErrorCode::unknown_environment, fmt::format("nothing was ever begun for {}", name));
  SLIPWAY_TRY(const auto records, journal.records(kRecords));
  Json unfinished;
  if (!records.empty() && records.back().phase != "done") {
    const environment::Record& last = records.back();
    unfinished = {{"step", last.step},
                  {"title", last.title},
                  {"phase", last.phase},
                  {"at", base::to_rfc3339(last.at)},
                  {"evidence", last.evidence}};
  }
  SLIPWAY_TRY(const auto receipt, journal.last_receipt(owner->life == "gone" ? "down" : "up"));
  const Json status{{"environment", name},
                    {"target", "eks"},
                    {"life", owner->life},
                    {"account", owner->account},
                    {"region", owner->region},
                    {"kubernetes_version", owner->kubernetes_version},
                    {"slipway_version", owner->slipway_version},
                    {"unfinished", unfinished},
                    {"receipt", receipt ? Json(*receipt) : Json()}};
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, status);
    return 0;
  }
  std::string out = sentence(status) + "\n";
  if (owner->life == "up" && receipt) {
    Table table({{.heading = "ADD-ON", .keep = true}, {.heading = "VERSION"}});
    for (const Json& addon : list_of(*receipt, "addons"))
      table.add({text_of(addon, "name"), text_of(addon, "version")});
    out += fmt::format("\n{}\n", text_of(*receipt, "configure_kubectl"));
    if (table.rows() > 0) out += "\n" + table.render(invocation.console.facts());
  }
  invocation.console.out(without_controls(out));
  return 0;
}

}  // namespace slipway::cli
