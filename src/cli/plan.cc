#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/blueprint_settings.h"
#include "cli/cloud.h"
#include "cli/plan_view.h"
#include "cli/verb.h"
#include "codec/addon.h"
#include "codec/price_list.h"
#include "codec/values.h"
#include "environment/plan.h"
#include "environment/up.h"
#include "io/files.h"
#include "policy/version.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kPending = 3;

struct Options {
  BlueprintSources sources;
  std::string models;
  std::string day;
  std::string save;
  bool live = false;
};

base::Result<std::vector<domain::ModelSpec>> load_models(const std::string& folder) {
  std::vector<domain::ModelSpec> out;
  if (folder.empty()) return out;
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".yaml" || entry.path().extension() == ".yml")
      files.push_back(entry.path());
  if (error)
    return Error(ErrorCode::file_unreadable,
                 fmt::format("the folder {} cannot be read: {}", folder, error.message()));
  std::ranges::sort(files);
  for (const auto& file : files) {
    SLIPWAY_TRY(const std::string text, io::read_file(file, codec::kValuesMaxBytes));
    SLIPWAY_TRY(domain::ModelSpec spec, codec::parse_values({file.string(), text}));
    out.push_back(std::move(spec));
  }
  return out;
}

base::Result<std::string> day_of(const Options& options) {
  if (options.day.empty()) return today();
  if (!policy::days_between(options.day, options.day))
    return Error(ErrorCode::usage, fmt::format("--day is \"{}\", and not a day", options.day))
        .with_next("Write it as 2026-12-02.");
  return options.day;
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const LoadedBlueprint loaded, load_blueprint(options.sources));
  const domain::Blueprint& blueprint = loaded.blueprint;
  if (blueprint.target != domain::Target::eks)
    return Error(ErrorCode::target_unsupported,
                 fmt::format("`plan` describes target = \"eks\", and {} has another",
                             blueprint.source.empty() ? "no file" : blueprint.source))
        .with_next("Give the blueprint of an EKS environment: slipway plan -f env.tfvars");
  SLIPWAY_TRY(const std::string today, day_of(options));
  SLIPWAY_TRY(const std::vector<domain::ModelSpec> models, load_models(options.models));
  SLIPWAY_TRY(const domain::PriceList prices, prices_for(blueprint.cluster.region));
  SLIPWAY_TRY(environment::Plan plan, environment::make_plan({.blueprint = blueprint,
                                                              .models = models,
                                                              .facts = codec::built_in_eks_facts(),
                                                              .prices = prices,
                                                              .addons = codec::built_in_addons(),
                                                              .today = today}));
  for (const std::string& warning : plan.warnings) print_warning(invocation.console, warning);
  std::optional<cloud::Change> change;
  if (options.live) {
    SLIPWAY_TRY(change, cloud_difference(invocation, blueprint, plan));
  }
  Json json = plan_json(plan);
  if (change) json["difference"] = environment::change_json(*change);
  if (!options.save.empty()) SLIPWAY_RETURN_IF_ERROR(io::write_file_atomic(options.save, to_json_text(json)));
  if (invocation.globals.output == OutputFormat::table)
    invocation.console.out(plan_text(invocation.console, plan) + (change ? change_text(*change) : ""));
  else
    print_value(invocation.console, invocation.globals.output, json);
  return change && change->none() ? 0 : kPending;
}

}  // namespace

Verb plan_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "plan",
      .group = "Cloud",
      .summary = "what an EKS environment will be, what it costs and what it needs",
      .about =
          "Works offline from the blueprint alone: what will be created, the fixed price of a month with the "
          "formula of each row, the price of each model's replica, the service quotas, and what is worth "
          "knowing before. Changes nothing.",
      .options = {{.names = "-f,--file",
                   .target = &o->sources.file,
                   .value = "FILE",
                   .help = "The environment's blueprint (*.tfvars).",
                   .required = true,
                   .is_file = true},
                  {.names = "--set",
                   .target = &o->sources.flags,
                   .value = "NAME=VALUE",
                   .help = "A blueprint variable, over file and environment; may be repeated."},
                  {.names = "--models",
                   .target = &o->models,
                   .value = "DIR",
                   .help = "Price a replica of each values file in this folder.",
                   .is_file = true},
                  {.names = "--day",
                   .target = &o->day,
                   .value = "DAY",
                   .help = "Plan as of this day, for example 2026-12-02 (default: today)."},
                  {.names = "--save",
                   .target = &o->save,
                   .value = "FILE",
                   .help = "Write the plan there too, as JSON.",
                   .is_file = true},
                  {.names = "--live",
                   .target = &o->live,
                   .help = "Ask the account too: its quotas, and Terraform's difference to what exists."}},
      .examples = {{"slipway plan -f env.tfvars", "everything, before anything exists"},
                   {"slipway plan -f env.tfvars --models models/ -o json",
                    "with each model's price, for programs"},
                   {"slipway plan -f env.tfvars --live",
                    "against the account; exits 0 when nothing is pending"}},
      .exits = {{3, "changes are pending"}, {4, "the region or an open endpoint stands in the way"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
