#include "cli/settings.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/check.h"

namespace slipway::cli {
namespace {

const SettingInfo& cli_setting(std::string_view name) {
  const auto& all = cli_settings();
  const auto found = std::ranges::find(all, name, &SettingInfo::name);
  SLIPWAY_CHECK(found != all.end());
  return *found;
}

}  // namespace

std::string_view origin_name(Origin origin) {
  switch (origin) {
    case Origin::flag:
      return "flag";
    case Origin::environment:
      return "environment";
    case Origin::file:
      return "tfvars";
    case Origin::fallback:
      return "default";
  }
  return "default";
}

const std::vector<SettingInfo>& cli_settings() {
  static const std::vector<SettingInfo> kSettings{
      {"environment", "--environment", "SLIPWAY_ENVIRONMENT", "local",
       "The environment that verbs speak to."},
      {"output", "--output", "SLIPWAY_OUTPUT", "table", "How verbs print: table, json or yaml."},
      {"api_key", "--key", "SLIPWAY_API_KEY", "", "The API key that `slipway chat` sends.", true},
      {"home", "", "SLIPWAY_HOME", "",
       "One folder for configuration, data, state and sockets, instead of the XDG directories."},
  };
  return kSettings;
}

std::string variable_of(std::string_view name) {
  std::string out = "SLIPWAY_";
  for (const char c : name) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

Resolved resolve(const SettingInfo& info, const std::string& flag_value) {
  if (!flag_value.empty()) return {info, flag_value, Origin::flag, info.flag};
  if (auto value = environment_variable(info.variable))
    return {info, *value, Origin::environment, info.variable};
  return {info, info.fallback, Origin::fallback, "default"};
}

Resolved setting(std::string_view name, const std::string& flag_value) {
  return resolve(cli_setting(name), flag_value);
}

std::string environment_name(const Globals& globals) {
  return setting("environment", globals.environment).value;
}

}  // namespace slipway::cli
