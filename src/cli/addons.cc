#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/blueprint_settings.h"
#include "cli/verb.h"
#include "codec/addon.h"
#include "codec/placeholders.h"
#include "codec/platform_files.h"
#include "io/files.h"
#include "policy/addons.h"

namespace slipway::cli {
namespace {

struct Options {
  BlueprintSources sources;
  std::string folder;
};

Json addon_json(const policy::AddonDecision& d) {
  const domain::Addon& a = *d.addon;
  return {{"name", a.name},
          {"title", a.title},
          {"meaning", a.meaning},
          {"on", d.on},
          {"why", d.why},
          {"version", a.version},
          {"newest_known",
           a.newest_version.empty() ? Json() : Json{{"version", a.newest_version}, {"date", a.newest_date}}},
          {"namespace", a.name_space},
          {"pod_security", a.pod_security},
          {"wave", a.wave},
          {"licence", a.licence},
          {"notes", a.notes}};
}

base::Result<int> list(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const LoadedBlueprint loaded, load_blueprint(options.sources));
  const auto decisions = policy::decide_addons(loaded.blueprint.cluster, codec::built_in_addons());
  if (invocation.globals.output != OutputFormat::table) {
    Json rows = Json::array();
    for (const policy::AddonDecision& d : decisions) rows.push_back(addon_json(d));
    print_value(invocation.console, invocation.globals.output, Json{{"addons", std::move(rows)}});
    return 0;
  }
  Table table({{.heading = "NAME", .keep = true},
               {.heading = "ON"},
               {.heading = "PIN"},
               {.heading = "NEWEST KNOWN"},
               {.heading = "NAMESPACE"},
               {.heading = "WHY"}});
  for (const policy::AddonDecision& d : decisions)
    table.add({d.addon->name, d.on ? "yes" : "no", d.addon->version,
               d.addon->newest_version.empty()
                   ? "-"
                   : fmt::format("{} ({})", d.addon->newest_version, d.addon->newest_date),
               d.addon->name_space, d.why});
  invocation.console.out(table.render(invocation.console.facts()));
  return 0;
}

// What the blueprint alone knows; the rest are Terraform's outputs and stay as placeholders.
codec::Facts facts_of(const domain::Blueprint& blueprint) {
  return {{"cluster_name", blueprint.name}, {"name", blueprint.name}, {"region", blueprint.cluster.region}};
}

base::Result<std::size_t> write_folder(std::string_view folder, const std::filesystem::path& to,
                                       const codec::Facts& facts) {
  std::size_t written = 0;
  for (const codec::PlatformFile& file : codec::platform_files_in(folder)) {
    const std::filesystem::path path = to / std::string(file.path);
    SLIPWAY_RETURN_IF_ERROR(io::make_directories(path.parent_path(), 0755));
    SLIPWAY_TRY(const std::string text, codec::fill_placeholders({file.path, file.text}, facts, true));
    SLIPWAY_RETURN_IF_ERROR(io::write_file_atomic(path, text, 0644));
    ++written;
  }
  return written;
}

base::Result<int> render(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const LoadedBlueprint loaded, load_blueprint(options.sources));
  const codec::Facts facts = facts_of(loaded.blueprint);
  std::size_t files = 0;
  Json on = Json::array();
  const auto decisions = policy::decide_addons(loaded.blueprint.cluster, codec::built_in_addons());
  for (const policy::AddonDecision& d : decisions) {
    if (!d.on) continue;
    SLIPWAY_TRY(const std::size_t written,
                write_folder(fmt::format("addons/{}/", d.addon->name), options.folder, facts));
    files += written;
    if (!d.addon->chart_path.empty()) {
      SLIPWAY_TRY(const std::size_t chart, write_folder(d.addon->chart_path + "/", options.folder, facts));
      files += chart;
    }
    on.push_back({{"name", d.addon->name}, {"wave", d.addon->wave}});
  }
  if (invocation.globals.output != OutputFormat::table)
    print_value(invocation.console, invocation.globals.output,
                Json{{"folder", options.folder}, {"files", files}, {"addons", on}});
  else
    invocation.console.out(
        fmt::format("{} files of {} add-ons in {}; install them in the order of their wave (addon.yaml)\n",
                    files, on.size(), options.folder));
  return 0;
}

std::vector<Option> blueprint_options(const std::shared_ptr<Options>& o) {
  return {{.names = "-f,--file",
           .target = &o->sources.file,
           .value = "FILE",
           .help = "The environment's blueprint (*.tfvars); without one, the defaults.",
           .is_file = true},
          {.names = "--set",
           .target = &o->sources.flags,
           .value = "NAME=VALUE",
           .help = "A blueprint variable, over file and environment; may be repeated."}};
}

}  // namespace

Verb addons_verb() {
  auto o = std::make_shared<Options>();
  std::vector<Option> render_options = blueprint_options(o);
  render_options.insert(render_options.begin(), {.names = "DIR",
                                                 .target = &o->folder,
                                                 .help = "The folder to write.",
                                                 .required = true,
                                                 .is_file = true});
  return {.name = "addons",
          .group = "Cloud",
          .summary = "what Slipway installs in a cluster, pinned and why",
          .children = {
              {.name = "list",
               .summary = "every add-on: on or off, why, its pin and the newest known",
               .options = blueprint_options(o),
               .examples = {{"slipway addons list -f env.tfvars", "as this blueprint decides"}},
               .action = [o](Invocation& invocation) { return list(invocation, *o); }},
              {.name = "render",
               .summary = "write them as files, for GitOps",
               .about = "Values, manifests and charts of every add-on that the blueprint turns on. What only "
                        "Terraform knows stays as a placeholder: ${node_role_name}.",
               .options = std::move(render_options),
               .examples = {{"slipway addons render gitops/ -f env.tfvars", "files to commit"}},
               .action = [o](Invocation& invocation) { return render(invocation, *o); }}}};
}

}  // namespace slipway::cli
