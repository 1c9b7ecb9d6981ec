#include "cli/blueprint_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "codec/blueprint.h"
#include "codec/tfvars.h"
#include "io/files.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::string_view kSet = "--set";

struct Winner {
  Origin origin = Origin::fallback;
  std::string where = "default";
};
using Winners = std::map<std::string, Winner, std::less<>>;

base::Result<domain::Blueprint> read_blueprint_file(const std::string& file, Winners& winners) {
  SLIPWAY_TRY(const std::string text, io::read_file(file, codec::kTfMaxBytes));
  const codec::Source source{.name = file, .text = text};
  SLIPWAY_TRY(domain::Blueprint blueprint, codec::parse_blueprint(source));
  SLIPWAY_TRY(const codec::TfObject object, codec::parse_tfvars(source));
  for (const auto& [name, value] : object) {
    winners[name] = {Origin::file, fmt::format("{}:{}", file, value.name_place.line)};
  }
  return blueprint;
}

base::Result<void> apply_environment(domain::Blueprint& blueprint, Winners& winners) {
  for (const codec::Variable& variable : codec::blueprint_variables()) {
    const std::string name = codec::environment_name(variable);
    const auto value = environment_variable(name);
    if (!value) continue;
    SLIPWAY_RETURN_IF_ERROR(codec::set_variable(blueprint, variable.name, *value, name));
    winners[std::string(variable.name)] = {Origin::environment, name};
  }
  return {};
}

base::Result<void> apply_flags(domain::Blueprint& blueprint, const std::vector<std::string>& flags,
                               Winners& winners) {
  for (const std::string& flag : flags) {
    const std::size_t equals = flag.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error(ErrorCode::usage, fmt::format("--set takes NAME=VALUE, not \"{}\"", flag))
          .with_next("For example: --set gateway_port=8080. `slipway config explain` lists the names.");
    }
    const std::string name = flag.substr(0, equals);
    SLIPWAY_RETURN_IF_ERROR(codec::set_variable(blueprint, name, flag.substr(equals + 1), kSet));
    winners[name] = {Origin::flag, std::string(kSet)};
  }
  return {};
}

}  // namespace

base::Result<LoadedBlueprint> load_blueprint(const BlueprintSources& sources) {
  Winners winners;
  LoadedBlueprint loaded{.blueprint = codec::default_blueprint(), .settings = {}};
  if (!sources.file.empty()) {
    SLIPWAY_TRY(loaded.blueprint, read_blueprint_file(sources.file, winners));
  }
  SLIPWAY_RETURN_IF_ERROR(apply_environment(loaded.blueprint, winners));
  SLIPWAY_RETURN_IF_ERROR(apply_flags(loaded.blueprint, sources.flags, winners));
  for (const codec::Variable& variable : codec::blueprint_variables()) {
    if ((variable.targets & codec::kLocal) == 0) continue;
    const Winner& winner = winners[std::string(variable.name)];
    loaded.settings.push_back({.info = {.name = std::string(variable.name),
                                        .flag = fmt::format("{} {}=VALUE", kSet, variable.name),
                                        .variable = codec::environment_name(variable),
                                        .fallback = std::string(variable.default_text),
                                        .meaning = std::string(variable.meaning)},
                               .value = codec::value_text(loaded.blueprint, variable.name),
                               .origin = winner.origin,
                               .where = winner.where});
  }
  return loaded;
}

std::string up_environment(const Globals& globals, const LoadedBlueprint& loaded) {
  Globals wanted = globals;
  const bool asked = setting("environment", globals.environment).origin != Origin::fallback;
  if (!asked) wanted.environment = loaded.blueprint.name;
  return environment_name(wanted);
}

}  // namespace slipway::cli
