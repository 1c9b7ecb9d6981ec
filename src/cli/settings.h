// Settings and who decided them: flag > SLIPWAY_* environment variable > tfvars > default.
//
// Two tables: the command line's own settings (here) and the blueprint's variables (codec). `slipway config
// explain NAME` prints a Resolved. Threads: main, at start; the process environment is read, never written.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/verb.h"

namespace slipway::cli {

enum class Origin { flag, environment, file, fallback };
std::string_view origin_name(Origin origin);  // "flag", "environment", "tfvars", "default"

struct SettingInfo {
  std::string name;      // "gateway_port"
  std::string flag;      // "--environment"; empty when there is none
  std::string variable;  // "SLIPWAY_GATEWAY_PORT"
  std::string fallback;  // the default as text
  std::string meaning;   // one sentence
  bool secret = false;   // its value is never printed
};

struct Resolved {
  SettingInfo info;
  std::string value;
  Origin origin = Origin::fallback;
  std::string where;  // the flag, the variable, "env.tfvars:3", or "default"
};

// The settings of the command line itself, in order.
const std::vector<SettingInfo>& cli_settings();
// "gateway_port" -> "SLIPWAY_GATEWAY_PORT".
std::string variable_of(std::string_view name);
// nullopt when unset or empty.
std::optional<std::string> environment_variable(const std::string& name);
// `flag_value` empty: not given.
Resolved resolve(const SettingInfo& info, const std::string& flag_value = "");
// One of cli_settings() by name.
Resolved setting(std::string_view name, const std::string& flag_value = "");
// The environment (the deployment, not the variables) that a verb speaks to. store::environment_paths checks
// the name.
std::string environment_name(const Globals& globals);

}  // namespace slipway::cli
