#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "cli/cloud.h"
#include "cli/text.h"
#include "codec/blueprint.h"
#include "codec/price_list.h"
#include "environment/down.h"
#include "policy/version.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

// What is to be taken away, from its file or from what `up` kept of it.
struct Subject {
  domain::Blueprint blueprint;
  std::string kubernetes_version;
  bool gone = false;
};

base::Result<Subject> from_journal(const environment::Workspace& where, const std::string& name) {
  if (!environment::known(where))
    return Error(ErrorCode::unknown_environment,
                 fmt::format("{} is no environment that this machine knows", name));
  SLIPWAY_TRY(const auto journal, environment::Journal::open_read_only(where.journal));
  SLIPWAY_TRY(const auto owner, journal.ownership());
  if (!owner)
    return Error(ErrorCode::unknown_environment, fmt::format("nothing was ever begun for {}", name));
  Subject out{.blueprint = codec::default_blueprint(),
              .kubernetes_version = owner->kubernetes_version,
              .gone = owner->life == "gone"};
  if (!owner->blueprint.empty()) {
    SLIPWAY_TRY(out.blueprint, codec::parse_blueprint({owner->source, owner->blueprint}));
  }
  std::istringstream flags(owner->flags);
  for (std::string flag; std::getline(flags, flag);)
    if (const std::size_t equals = flag.find('='); equals != std::string::npos)
      SLIPWAY_RETURN_IF_ERROR(
          codec::set_variable(out.blueprint, flag.substr(0, equals), flag.substr(equals + 1), "up"));
  out.blueprint.name = name;
  out.blueprint.cluster.region = owner->region;
  return out;
}

base::Result<Subject> subject_of(const CloudDownOptions& options, const io::Paths& paths) {
  if (options.file.empty()) {
    SLIPWAY_TRY(const environment::Workspace where, environment::workspace_of(paths, options.name));
    return from_journal(where, options.name);
  }
  SLIPWAY_TRY(LoadedBlueprint loaded, load_blueprint({.file = options.file, .flags = {}}));
  SLIPWAY_TRY(const environment::Workspace where, environment::workspace_of(paths, loaded.blueprint.name));
  if (const auto kept = from_journal(where, loaded.blueprint.name)) {
    // Where it is, is a fact; whether it is protected, the file decides.
    Subject out = *kept;
    out.blueprint.cluster.switches["protected"] = loaded.blueprint.cluster.is_protected();
    return out;
  }
  return Subject{.blueprint = std::move(loaded.blueprint), .kubernetes_version = {}};
}

std::string items_text(const Console& console, const cloud::Inventory& inventory) {
  Table table({{.heading = "TYPE"},
               {.heading = "NAME"},
               {.heading = "STATE"},
               {.heading = "USD A MONTH", .align = Table::Align::right}});
  for (const cloud::Item& i : inventory.items)
    table.add({i.type, i.name, i.state, i.usd_month > 0 ? fmt::format("{:.2f}", i.usd_month) : ""});
  return table.render(console.facts());
}

// The name, typed: a "y" is too easy here.
base::Result<bool> confirmed(Invocation& invocation, const CloudDownOptions& options,
                             const std::string& name) {
  if (options.confirm == name) return true;
  const std::string next = fmt::format("Add --confirm {}.", name);
  if (!options.confirm.empty())
    return Error(ErrorCode::confirmation,
                 fmt::format("--confirm names {}, and the environment is {}", options.confirm, name))
        .with_next(next);
  const TerminalFacts& facts = invocation.console.facts();
  if (!facts.in_tty || !facts.err_tty)
    return Error(ErrorCode::confirmation, fmt::format("destroying {} needs its name", name)).with_next(next);
  const auto answer =
      invocation.console.read_line(fmt::format("This cannot be undone. Type {} to go on: ", name));
  if (answer && *answer == name) return true;
  print_note(invocation.console, "Nothing was changed.");
  return false;
}

void print_receipt(Invocation& invocation, const Json& receipt) {
  if (invocation.globals.output != OutputFormat::table)
    return print_value(invocation.console, invocation.globals.output, receipt);
  std::string out;
  for (const Json& item : list_of(receipt, "left"))
    out += fmt::format("left     {} {} ({:.2f} USD a month)\n", text_of(item, "type"), text_of(item, "name"),
                       number_of(item, "usd_month"));
  for (const Json& key : list_of(receipt, "keys_pending_deletion"))
    out += fmt::format("pending  key {} ({}): {}, free of charge\n", text_of(key, "id"), text_of(key, "name"),
                       text_of(key, "state"));
  for (const Json& what : list_of(receipt, "not_looked_at"))
    out += fmt::format("unseen   {}\n", what.get<std::string>());
  const Json& before = object_of(receipt, "before");
  out += fmt::format("environment {}: {:.0f} things of {:.2f} USD a month before, {} of {:.2f} USD now\n",
                     text_of(receipt, "environment"), number_of(before, "things"),
                     number_of(before, "usd_month"), list_of(receipt, "left").size(),
                     number_of(receipt, "left_usd_month"));
  if (list_of(receipt, "left").empty()) out += "nothing billable is left\n";
  invocation.console.out(without_controls(out));
}

base::Result<int> finish(Invocation& invocation, const Json& receipt) {
  print_receipt(invocation, receipt);
  const Json& left = list_of(receipt, "left");
  if (left.empty()) return 0;
  return Error(ErrorCode::leftovers, fmt::format("{} could not be deleted, {:.2f} USD a month",
                                                 counted(static_cast<double>(left.size()), "thing"),
                                                 number_of(receipt, "left_usd_month")));
}

}  // namespace

base::Result<int> cloud_down(Invocation& invocation, const CloudDownOptions& options) {
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(const Subject subject, subject_of(options, paths));
  const std::string& name = subject.blueprint.name;
  if (subject.blueprint.cluster.is_protected())
    return Error(ErrorCode::is_protected, fmt::format("environment {} has protected = true", name))
        .with_next("Set protected = false in its blueprint, then `slipway down -f FILE`.");
  Work work(invocation);
  SLIPWAY_TRY(auto session, environment::Session::open({.paths = paths,
                                                        .name = name,
                                                        .region = subject.blueprint.cluster.region,
                                                        .command = "slipway down",
                                                        .patience = work.patience,
                                                        .watcher = work.watcher}));
  work.watcher.step("look at what exists");
  SLIPWAY_TRY(const domain::PriceList prices, prices_for(subject.blueprint.cluster.region));
  SLIPWAY_TRY(const cloud::Inventory before,
              cloud::take_inventory(session->aws(), name, session->identity().account, prices));
  work.watcher.finish();
  if (options.dry_run && invocation.globals.output != OutputFormat::table) {
    print_value(
        invocation.console, invocation.globals.output,
        Json{{"would_delete", environment::inventory_json(before)}, {"usd_month", before.usd_month()}});
    return 0;
  }
  const std::string shown =
      items_text(invocation.console, before) +
      fmt::format("{} of environment {} in account {}, {}: {:.2f} USD a month\n",
                  counted(static_cast<double>(before.items.size()), "thing"), name,
                  session->identity().account, subject.blueprint.cluster.region, before.usd_month());
  if (options.dry_run) {
    invocation.console.out(shown);
    return 0;
  }
  if (!invocation.globals.quiet) invocation.console.err(shown);
  SLIPWAY_TRY(const bool yes, confirmed(invocation, options, name));
  if (!yes) return 0;
  const std::string version = !subject.kubernetes_version.empty()
                                  ? subject.kubernetes_version
                                  : subject.blueprint.cluster.kubernetes_version.value_or(
                                        codec::built_in_eks_facts().versions.front().version);
  SLIPWAY_TRY(const Json receipt, environment::down(*session, {.blueprint = subject.blueprint,
                                                               .prices = prices,
                                                               .kubernetes_version = version,
                                                               .before = before}));
  work.watcher.finish();
  return finish(invocation, receipt);
}

}  // namespace slipway::cli
