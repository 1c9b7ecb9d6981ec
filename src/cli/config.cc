#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/blueprint_settings.h"
#include "cli/settings.h"
#include "cli/text.h"
#include "cli/verb.h"
#include "codec/blueprint.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

struct Options {
  std::string name;
  std::string file;
  std::vector<std::string> sets;
};

std::string shown_value(const Resolved& r) {
  if (r.info.secret && !r.value.empty()) return "(set, not shown)";
  return r.value.empty() ? "(none)" : r.value;
}

std::string decided_by(const Resolved& r) {
  const std::string_view origin = origin_name(r.origin);
  return r.where == origin ? r.where : fmt::format("{} ({})", origin, r.where);
}

Json to_json(const Resolved& r) {
  return {{"name", r.info.name},
          {"value", r.info.secret && !r.value.empty() ? Json("(set, not shown)") : Json(r.value)},
          {"origin", origin_name(r.origin)},
          {"where", r.where},
          {"default", r.info.fallback},
          {"flag", r.info.flag.empty() ? Json() : Json(r.info.flag)},
          {"variable", r.info.variable},
          {"meaning", r.info.meaning}};
}

// A variable that this machine never reads has a meaning and a default all the same.
Resolved of_other_targets(const codec::Variable& variable) {
  Resolved out;
  out.info = {.name = std::string(variable.name),
              .flag = "",
              .variable = codec::environment_name(variable),
              .fallback = std::string(variable.default_text),
              .meaning = fmt::format("{} (not read by the target \"local\")", variable.meaning)};
  out.value = out.info.fallback;
  out.where = "default";
  return out;
}

base::Result<std::vector<Resolved>> resolve_all(const Invocation& invocation, const Options& options) {
  std::vector<Resolved> all;
  for (const SettingInfo& info : cli_settings()) {
    const std::string flag = info.name == "environment" ? invocation.globals.environment
                             : info.name == "output"    ? invocation.globals.output_flag
                                                        : "";
    all.push_back(resolve(info, flag));
  }
  SLIPWAY_TRY(const LoadedBlueprint loaded, load_blueprint({.file = options.file, .flags = options.sets}));
  all.insert(all.end(), loaded.settings.begin(), loaded.settings.end());
  if (const codec::Variable* variable = codec::find_variable(options.name)) {
    if ((variable->targets & codec::kLocal) == 0) all.push_back(of_other_targets(*variable));
  }
  return all;
}

void print_one(Invocation& invocation, const Resolved& r) {
  std::string ways = "flag > environment > tfvars > default";
  invocation.console.out(fmt::format(
      "{} = {}\n{}\n\n  decided by   {}\n  default      {}\n  variable     {}\n", r.info.name, shown_value(r),
      r.info.meaning, decided_by(r), r.info.fallback.empty() ? "(none)" : r.info.fallback, r.info.variable));
  if (!r.info.flag.empty()) invocation.console.out(fmt::format("  flag         {}\n", r.info.flag));
  invocation.console.out(fmt::format("  precedence   {}\n", ways));
}

base::Result<int> explain(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const std::vector<Resolved> all, resolve_all(invocation, options));
  const OutputFormat format = invocation.globals.output;
  if (options.name.empty()) {
    if (format != OutputFormat::table) {
      Json rows = Json::array();
      for (const Resolved& r : all) rows.push_back(to_json(r));
      print_value(invocation.console, format, Json{{"settings", std::move(rows)}});
      return 0;
    }
    Table table({{.heading = "NAME", .keep = true},
                 {.heading = "VALUE"},
                 {.heading = "DECIDED BY"},
                 {.heading = "MEANING"}});
    for (const Resolved& r : all) table.add({r.info.name, shown_value(r), r.where, r.info.meaning});
    invocation.console.out(table.render(invocation.console.facts()));
    return 0;
  }
  const auto found = std::ranges::find_if(all, [&](const Resolved& r) {
    return r.info.name == options.name || r.info.variable == options.name || r.info.flag == options.name;
  });
  if (found == all.end()) {
    std::vector<std::string> names;
    for (const Resolved& r : all) names.push_back(r.info.name);
    std::string message = fmt::format("there is no setting \"{}\"", options.name);
    if (const auto near = nearest(options.name, names)) message += fmt::format("; did you mean {}?", *near);
    return Error(ErrorCode::unknown_key, std::move(message))
        .with_next("`slipway config explain` lists all settings.");
  }
  if (format == OutputFormat::table)
    print_one(invocation, *found);
  else
    print_value(invocation.console, format, to_json(*found));
  return 0;
}

}  // namespace

Verb config_verb() {
  auto o = std::make_shared<Options>();
  Verb explain_verb{
      .name = "explain",
      .summary = "say what a setting is, its value, and who decided it",
      .about =
          "A flag wins over a SLIPWAY_* variable, that over the tfvars file, that over the default. Without "
          "a name it "
          "lists all settings.",
      .options = {{.names = "NAME", .target = &o->name, .help = "A setting, such as gateway_port."},
                  {.names = "-f,--file",
                   .target = &o->file,
                   .value = "FILE",
                   .help = "The tfvars file that `slipway up -f` would read.",
                   .is_file = true},
                  {.names = "--set",
                   .target = &o->sets,
                   .value = "NAME=VALUE",
                   .help = "As `slipway up --set`; may be repeated."}},
      .examples = {{"slipway config explain gateway_port",
                    "the port, and whether a variable or the default decided it"},
                   {"slipway config explain -f env.tfvars", "every setting as this file would have it"}},
      .action = [o](Invocation& invocation) { return explain(invocation, *o); }};
  return {.name = "config",
          .group = "Keys and settings",
          .summary = "settings and where they come from",
          .children = {std::move(explain_verb)}};
}

}  // namespace slipway::cli
