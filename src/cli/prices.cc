#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/cloud.h"
#include "cli/text.h"
#include "cli/verb.h"
#include "cloud/price_api.h"
#include "codec/price_list.h"
#include "environment/prices.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

struct Options {
  std::string type;
  std::string region;
};

constexpr double kMibInGib = 1024;

Json type_json(const domain::InstanceType& t, const domain::PriceList& list) {
  return {{"name", t.name},
          {"usd_hour", t.usd_per_hour ? Json(*t.usd_per_hour) : Json()},
          {"vcpu", t.vcpu},
          {"memory_gib", static_cast<double>(t.memory_mib) / kMibInGib},
          {"gpus", t.gpus},
          {"gpu_memory_gib", static_cast<double>(t.gpu_memory_mib) / kMibInGib},
          {"neuron_devices", t.neuron_devices},
          {"arch", t.arch},
          {"region", list.instance_region},
          {"date", list.instance_date}};
}

base::Result<int> show_type(Invocation& invocation, const domain::PriceList& list, const std::string& name) {
  const domain::InstanceType* t = list.instance(name);
  if (!t) {
    std::vector<std::string> names;
    for (const domain::InstanceType& known : list.instance_types) names.push_back(known.name);
    std::string message = fmt::format("there is no instance type \"{}\" in the price list", name);
    if (const auto near = nearest(name, names)) message += fmt::format("; did you mean {}?", *near);
    return Error(ErrorCode::usage, std::move(message))
        .with_next("`slipway prices` says of when the list is.");
  }
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, type_json(*t, list));
    return 0;
  }
  std::string out = fmt::format("{}: {} vCPU, {:g} GiB, {}", t->name, t->vcpu,
                                static_cast<double>(t->memory_mib) / kMibInGib, t->arch);
  if (t->gpus > 0)
    out += fmt::format(", {} x {} of {:.0f} GiB", t->gpus, t->device_name,
                       static_cast<double>(t->gpu_memory_mib) / kMibInGib);
  if (t->neuron_devices > 0) out += fmt::format(", {} x {}", t->neuron_devices, t->device_name);
  out += t->usd_per_hour
             ? fmt::format("\n{:g} USD an hour, {:.2f} USD a month on demand ({}, {})\n", *t->usd_per_hour,
                           *t->usd_per_hour * list.hours_per_month, list.instance_region, list.instance_date)
             : std::string("\nno price is known\n");
  invocation.console.out(out);
  return 0;
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const domain::PriceList list, prices_for(options.region));
  if (!options.type.empty()) return show_type(invocation, list, options.type);
  if (invocation.globals.output != OutputFormat::table) {
    Json units = Json::array();
    for (const auto& [name, unit] : list.units)
      units.push_back({{"name", name}, {"usd", unit.usd}, {"per", unit.per}, {"source", unit.source}});
    print_value(invocation.console, invocation.globals.output,
                Json{{"region", list.region},
                     {"date", list.date},
                     {"instance_date", list.instance_date},
                     {"units", std::move(units)},
                     {"instance_types", list.instance_types.size()}});
    return 0;
  }
  Table table({{.heading = "UNIT", .keep = true},
               {.heading = "USD", .align = Table::Align::right},
               {.heading = "PER"},
               {.heading = "SOURCE"}});
  for (const auto& [name, unit] : list.units)
    table.add({name, fmt::format("{:g}", unit.usd), unit.per, unit.source});
  invocation.console.out(table.render(invocation.console.facts()) +
                         fmt::format("{} of {}; {} instance types of {} ({}): slipway prices TYPE\n",
                                     list.region, list.date, list.instance_types.size(), list.instance_region,
                                     list.instance_date));
  return 0;
}

base::Result<int> refresh(Invocation& invocation, const Options& options) {
  Work work(invocation);
  const domain::PriceList& built_in = codec::built_in_prices();
  const std::string region = options.region.empty() ? built_in.region : options.region;
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(io::Tool tool, io::find_tool(cloud::aws_need()));
  cloud::Aws aws(std::move(tool), std::string(cloud::kPriceApiRegion), work.patience);
  work.watcher.step(fmt::format("ask AWS for the list prices of {}", region));
  SLIPWAY_TRY(const cloud::PriceAnswer answer, cloud::fetch_prices(aws, region, built_in, today()));
  SLIPWAY_RETURN_IF_ERROR(environment::keep_prices(paths, answer.list));
  work.watcher.finish();
  const std::string file = environment::prices_file(paths, region).string();
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output,
                Json{{"region", region},
                     {"date", answer.list.date},
                     {"instance_types", answer.instance_types},
                     {"units", answer.list.units.size() - answer.kept.size()},
                     {"kept", answer.kept},
                     {"file", file}});
    return 0;
  }
  invocation.console.out(fmt::format("{} instance types and {} unit prices of {}, {}, are in {}\n",
                                     answer.instance_types, answer.list.units.size() - answer.kept.size(),
                                     region, answer.list.date, file));
  if (!answer.kept.empty())
    print_warning(invocation.console,
                  fmt::format("AWS named no price for {}; those of {} ({}) stay",
                              fmt::join(answer.kept, ", "), built_in.region, built_in.date));
  return 0;
}

}  // namespace

Verb prices_verb() {
  auto o = std::make_shared<Options>();
  const Option region = {.names = "--region",
                         .target = &o->region,
                         .value = "REGION",
                         .help = "The region whose prices are meant."};
  return {
      .name = "prices",
      .group = "Cloud",
      .summary = "the price list that `plan` multiplies",
      .about =
          "On-demand list prices in USD with their date and source: those that are built in, or a region's "
          "own once `refresh` asked for them. docs/cost.md says how they are used.",
      .options = {{.names = "TYPE", .target = &o->type, .help = "An instance type: its shape and price."},
                  region},
      .examples = {{"slipway prices", "unit prices and their sources"},
                   {"slipway prices g6e.2xlarge", "shape and price of one instance type"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); },
      .children = {{.name = "refresh",
                    .summary = "ask AWS's price list API for a region's prices and keep them",
                    .about = "Needs credentials with pricing:GetProducts. Every later plan of that region "
                             "multiplies these prices and says of when they are.",
                    .options = {region},
                    .examples = {{"slipway prices refresh --region eu-central-1", "prices of Frankfurt"}},
                    .action = [o](Invocation& invocation) { return refresh(invocation, *o); }}}};
}

}  // namespace slipway::cli
