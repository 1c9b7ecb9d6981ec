#include <fmt/format.h>

#include "cli/cloud.h"
#include "cli/confirm.h"
#include "codec/addon.h"
#include "codec/blueprint.h"
#include "codec/price_list.h"
#include "environment/plan.h"
#include "environment/preflight.h"
#include "environment/up.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

base::Result<void> allow_my_address(domain::Blueprint& blueprint, std::vector<std::string>& flags,
                                    const io::Patience& patience) {
  SLIPWAY_TRY(const environment::Reach reach, environment::reach_of(blueprint.cluster, patience));
  if (reach.address.empty())
    return Error(ErrorCode::io_failed, "this machine's public address could not be asked for")
        .with_next("Name it in allowed_inbound_cidrs.");
  std::vector<std::string> ranges = blueprint.cluster.allowed_inbound_cidrs;
  ranges.push_back(reach.address + "/32");
  const std::string text = fmt::format("{}", fmt::join(ranges, ","));
  flags.push_back("allowed_inbound_cidrs=" + text);
  return codec::set_variable(blueprint, "allowed_inbound_cidrs", text, "--allow-my-ip");
}

void print_receipt(Invocation& invocation, const Json& receipt) {
  if (invocation.globals.output != OutputFormat::table)
    return print_value(invocation.console, invocation.globals.output, receipt);
  if (!invocation.globals.quiet)
    invocation.console.err(fmt::format(
        "environment {} is up: Kubernetes {} in {}, {} add-ons healthy, about {:.2f} USD a month without "
        "models\n",
        text_of(receipt, "environment"), text_of(receipt, "kubernetes_version"), text_of(receipt, "region"),
        list_of(receipt, "addons").size(), number_of(receipt, "usd_month")));
  invocation.console.out(text_of(receipt, "configure_kubectl") + "\n");
}

}  // namespace

base::Result<int> cloud_up(Invocation& invocation, const LoadedBlueprint& loaded,
                           const CloudUpOptions& options) {
  Work work(invocation);
  domain::Blueprint blueprint = loaded.blueprint;
  std::vector<std::string> flags = options.sources.flags;
  if (options.allow_my_ip) SLIPWAY_RETURN_IF_ERROR(allow_my_address(blueprint, flags, work.patience));
  SLIPWAY_TRY(const domain::PriceList prices, prices_for(blueprint.cluster.region));
  SLIPWAY_TRY(const environment::Plan plan, environment::make_plan({.blueprint = blueprint,
                                                                    .models = {},
                                                                    .facts = codec::built_in_eks_facts(),
                                                                    .prices = prices,
                                                                    .addons = codec::built_in_addons(),
                                                                    .today = today()}));
  for (const std::string& warning : plan.warnings) print_warning(invocation.console, warning);
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(const std::string text, options.sources.file.empty() ? base::Result<std::string>(std::string())
                                                                   : io::read_file(options.sources.file));
  SLIPWAY_TRY(auto session, environment::Session::open({.paths = paths,
                                                        .name = blueprint.name,
                                                        .region = blueprint.cluster.region,
                                                        .command = "slipway up",
                                                        .patience = work.patience,
                                                        .watcher = work.watcher}));
  SLIPWAY_TRY(const auto owner, session->journal().ownership());
  const bool exists = owner && owner->life == "up";
  if (!exists) {
    SLIPWAY_TRY(
        const bool yes,
        confirm(
            invocation,
            fmt::format("Make environment {} in account {}, {}, for about {:.2f} USD a month without models?",
                        blueprint.name, session->identity().account, blueprint.cluster.region,
                        plan.bill.usd_month)));
    if (!yes) return 0;
  }
  const auto agree = [&](const cloud::Change& change) -> base::Result<bool> {
    if (!exists || change.none()) return true;
    work.watcher.note(change_text(change));
    return confirm(invocation, "Carry it out?");
  };
  SLIPWAY_TRY(const Json receipt,
              environment::up(*session, {.blueprint = blueprint,
                                         .blueprint_text = text,
                                         .flags = fmt::format("{}", fmt::join(flags, "\n")),
                                         .plan = plan,
                                         .slipway_version = SLIPWAY_VERSION,
                                         .reach_promised = options.reachable,
                                         .check_pools = options.check_pools,
                                         .agree = agree}));
  work.watcher.finish();
  if (!receipt.is_null()) print_receipt(invocation, receipt);
  return 0;
}

}  // namespace slipway::cli
