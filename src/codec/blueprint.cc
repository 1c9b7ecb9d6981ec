#include "codec/blueprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/check.h"
#include "codec/cluster_settings.h"
#include "codec/suggest.h"
#include "codec/tfvars.h"
#include "codec/tfvars_convert.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;
using domain::Blueprint, domain::Target;

constexpr std::size_t kMaxName = 40;
constexpr std::size_t kMaxModels = 64;
constexpr std::string_view kTargets[] = {"local", "kubernetes", "eks"};  // by domain::Target's order

template <class Test>
bool all_entries(const TfValue& v, Test test) {
  const auto* object = std::get_if<TfObject>(&v.value);
  return object &&
         std::ranges::all_of(*object, [&](const auto& entry) { return test(entry.value).has_value(); });
}

bool is_of(VariableType type, const TfValue& v) {
  switch (type) {
    case VariableType::text:
      return as_text(v).has_value();
    case VariableType::boolean:
      return as_boolean(v).has_value();
    case VariableType::integer:
      return as_integer(v).has_value();
    case VariableType::number:
      return as_number(v).has_value();
    case VariableType::text_list:
      return as_texts(v).has_value();
    case VariableType::integer_map:
      return all_entries(v, as_integer);
    case VariableType::boolean_map:
      return all_entries(v, as_boolean);
    case VariableType::text_map:
      return all_entries(v, as_text);
    case VariableType::any:
      return true;
  }
  return false;
}

Result<void> check_type(const Variable& variable, const TfValue& v, const Source& source) {
  if (is_of(variable.type, v)) return {};
  return error_at(
      ErrorCode::wrong_type, source, v.place,
      fmt::format("'{}' must be {}, not {}", variable.name, type_words(variable.type), type_words(v)));
}

// How a variable that the local target reads gets into the Blueprint and is shown.
struct Setting {
  std::string_view name;
  std::int64_t least = 0;  // of whole numbers
  std::int64_t most = 0;
  void (*set)(Blueprint&, std::int64_t) = nullptr;
  std::int64_t (*get)(const Blueprint&) = nullptr;
  std::string Blueprint::* text = nullptr;
};

template <auto Member, class T = std::remove_cvref_t<decltype(std::declval<Blueprint>().*Member)>>
constexpr Setting number(std::string_view name, std::int64_t least, std::int64_t most) {
  return {.name = name,
          .least = least,
          .most = most,
          .set = [](Blueprint& b, std::int64_t v) { b.*Member = static_cast<T>(v); },
          .get = [](const Blueprint& b) { return static_cast<std::int64_t>(b.*Member); }};
}
constexpr Setting words(std::string_view name, std::string Blueprint::* member) {
  return {.name = name, .text = member};
}

constexpr Setting kSettings[] = {
    words("name", &Blueprint::name),
    words("gateway_host", &Blueprint::gateway_host),
    words("catalog_dir", &Blueprint::catalog_dir),
    number<&Blueprint::gateway_port>("gateway_port", 0, 65'535),
    number<&Blueprint::gateway_max_body_bytes>("gateway_max_body_bytes", 1'024, 1ll << 30),
    number<&Blueprint::gateway_request_timeout_s>("gateway_request_timeout_s", 1, 86'400),
    number<&Blueprint::gateway_threads>("gateway_threads", 1, 64),
    number<&Blueprint::worker_progress_timeout_s>("worker_progress_timeout_s", 1, 3'600),
    number<&Blueprint::drain_timeout_s>("drain_timeout_s", 0, 3'600),
};

const Setting* find_setting(std::string_view name) {
  const auto* found = std::ranges::find(kSettings, name, &Setting::name);
  return found == std::end(kSettings) ? nullptr : found;
}

bool is_name(std::string_view s) {
  const auto inner = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !s.empty() && s.size() <= kMaxName && std::ranges::all_of(s, inner) && s.front() != '-' &&
         s.back() != '-';
}

Result<void> set_text(Blueprint& out, const Setting& setting, const TfValue& v, const Source& source) {
  const std::string text = *as_text(v);
  if (setting.name == "name" && !is_name(text))
    return error_at(ErrorCode::bad_value, source, v.place,
                    fmt::format("'name' is '{}'; it must be at most {} of a-z, 0-9 and '-', not at an end",
                                text.substr(0, 60), kMaxName));
  if (setting.name == "gateway_host" && (text.empty() || text.size() > 253))
    return error_at(ErrorCode::bad_value, source, v.place,
                    "'gateway_host' must be an address to listen on, for example \"127.0.0.1\"");
  out.*setting.text = text;
  return {};
}

Result<void> set_number(Blueprint& out, const Setting& setting, const TfValue& v, const Source& source) {
  const std::int64_t value = *as_integer(v);
  if (value < setting.least || value > setting.most)
    return error_at(
        ErrorCode::bad_value, source, v.place,
        fmt::format("'{}' is {}; it must be {} to {}", setting.name, value, setting.least, setting.most));
  setting.set(out, value);
  return {};
}

Result<void> set_target(Blueprint& out, const TfValue& v, const Source& source) {
  const std::string word = *as_text(v);
  const auto* found = std::ranges::find(kTargets, word);
  if (found == std::end(kTargets))
    return error_at(ErrorCode::bad_value, source, v.place,
                    fmt::format("'target' is '{}'{}; it must be \"local\", \"kubernetes\" or \"eks\"",
                                word.substr(0, 60), did_you_mean(word, kTargets)));
  out.target = static_cast<Target>(found - std::begin(kTargets));
  return {};
}

Result<void> set_models(Blueprint& out, const TfValue& v, const Source& source) {
  out.models = *as_texts(v);
  if (out.models.size() > kMaxModels)
    return error_at(
        ErrorCode::bad_value, source, v.place,
        fmt::format("'models' names {} models; at most {} are allowed", out.models.size(), kMaxModels));
  if (std::ranges::any_of(out.models, &std::string::empty))
    return error_at(ErrorCode::bad_value, source, v.place, "'models' has an empty name");
  return {};
}

// `v` has the variable's type and is not null.
Result<void> assign(Blueprint& out, const Variable& variable, const TfValue& v, const Source& source) {
  if (variable.name == "target") return set_target(out, v, source);
  if (variable.name == "models") return set_models(out, v, source);
  const Setting* setting = find_setting(variable.name);
  if (!setting) return set_cluster_variable(out.cluster, variable, v, source);
  return setting->text ? set_text(out, *setting, v, source) : set_number(out, *setting, v, source);
}

Error unknown_variable(const Source& source, Place place, std::string_view name) {
  std::vector<std::string_view> known;
  for (const Variable& v : blueprint_variables()) known.push_back(v.name);
  return error_at(ErrorCode::unknown_key, source, place,
                  fmt::format("there is no variable '{}'{}", name.substr(0, 80), did_you_mean(name, known)),
                  name.size())
      .with_next("Use the suggested name, or remove the line; docs/blueprint.md lists all variables.");
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// The environment's and flags' text as the value it stands for.
Result<TfValue> value_of(const Variable& variable, std::string_view text, std::string_view origin) {
  if (variable.type == VariableType::any)
    return Error(ErrorCode::usage,
                 fmt::format("'{}' can only be set in a file, not by {}", variable.name, origin));
  TfValue out;
  out.value = std::string(text);
  SLIPWAY_RETURN_IF_ERROR(check_type(variable, out, Source{origin, {}}));
  return out;
}

void note_other_targets(Blueprint& out, const std::vector<const Variable*>& cluster_only) {
  if (out.target != Target::local) return;
  out.warnings.clear();  // they are about a cluster
  if (cluster_only.empty()) return;
  std::string names;
  for (const Variable* v : cluster_only) names += fmt::format("{}{}", names.empty() ? "" : ", ", v->name);
  out.notes.push_back(fmt::format("accepted, but only read by a cluster's targets: {}", names));
}

bool is_default(const Variable& variable, const TfValue& value) {
  const auto written = parse_tfvars({variable.name, fmt::format("default = {}", variable.default_text)});
  SLIPWAY_CHECK(written.has_value());
  if (variable.type == VariableType::text) return as_text(written->front().value) == as_text(value);
  return to_json(written->front().value) == to_json(value);
}

void warn_if_not_honoured(Blueprint& out, const Variable& variable, const TfValue& value) {
  if (variable.instead.empty() || is_default(variable, value)) return;
  out.warnings.push_back(fmt::format("{}:{}: '{}' has no effect: {}", out.source, value.name_place.line,
                                     variable.name, variable.instead));
}

}  // namespace

std::string_view type_words(VariableType type) {
  static constexpr std::string_view kWords[] = {"text",
                                                "true or false",
                                                "a whole number",
                                                "a number",
                                                "a list of texts",
                                                "a map of true and false",
                                                "a map of whole numbers",
                                                "a map of texts",
                                                "anything"};
  return kWords[static_cast<std::size_t>(type)];
}

std::string environment_name(const Variable& variable) {
  std::string out = "SLIPWAY_";
  for (const char c : variable.name) out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

Blueprint default_blueprint() {
  Blueprint out;
  out.cluster = default_cluster();
  return out;
}

Result<Blueprint> parse_blueprint(const Source& source) {
  SLIPWAY_TRY(const TfObject file, parse_tfvars(source));
  Blueprint out = default_blueprint();
  out.source = source.name;
  bool names_target = false;
  std::vector<const Variable*> cluster_only;
  for (const auto& [name, value] : file) {
    const Variable* variable = find_variable(name);
    if (!variable) return unknown_variable(source, value.name_place, name);
    if (std::holds_alternative<std::monostate>(value.value)) continue;  // null: the default
    SLIPWAY_RETURN_IF_ERROR(check_type(*variable, value, source));
    SLIPWAY_RETURN_IF_ERROR(assign(out, *variable, value, source));
    out.origins[name] = fmt::format("{}:{}", source.name, value.name_place.line);
    names_target |= name == "target";
    if (!(variable->targets & kLocal)) cluster_only.push_back(variable);
    warn_if_not_honoured(out, *variable, value);
  }
  if (!names_target && !cluster_only.empty()) {
    out.target = Target::eks;
    out.notes.push_back(
        fmt::format("there is no `target`, and only an EKS environment has '{}', so this describes one",
                    cluster_only.front()->name));
  }
  note_other_targets(out, cluster_only);
  return out;
}

Result<void> set_variable(Blueprint& blueprint, std::string_view name, std::string_view text,
                          std::string_view origin) {
  const Variable* variable = find_variable(name);
  if (!variable) return unknown_variable(Source{origin, {}}, {}, name);
  SLIPWAY_TRY(const TfValue value, value_of(*variable, text, origin));
  SLIPWAY_RETURN_IF_ERROR(assign(blueprint, *variable, value, Source{origin, {}}));
  blueprint.origins[std::string(name)] = origin;
  return {};
}

std::string value_text(const Blueprint& blueprint, std::string_view name) {
  if (name == "target") return quote(to_string(blueprint.target));
  if (name == "models") {
    std::string out;
    for (const std::string& m : blueprint.models) out += (out.empty() ? "" : ", ") + quote(m);
    return "[" + out + "]";
  }
  const Setting* setting = find_setting(name);
  if (!setting) return {};
  return setting->text ? quote(blueprint.*setting->text) : std::to_string(setting->get(blueprint));
}

Result<void> require_local(const Blueprint& blueprint) {
  if (blueprint.target == Target::local) return {};
  std::string message =
      fmt::format("{} describes an environment with target = \"{}\", and only target = \"local\" works here",
                  at(blueprint.source, {}), to_string(blueprint.target));
  if (!blueprint.origins.contains("target") && !blueprint.notes.empty())
    message += ": " + blueprint.notes.front();
  return Error(ErrorCode::target_unsupported, std::move(message))
      .with_next(
          "`slipway plan -f FILE` shows an EKS environment before it exists, `slipway up -f FILE` makes it; "
          "for "
          "this machine add the line `target = \"local\"`.");
}

std::string_view readers_words(const Variable& variable) {
  switch (variable.targets & kEverywhere) {
    case kEverywhere:
      return "every target";
    case kLocal:
      return "local";
    case kClusters:
      return "kubernetes, eks";
    default:
      return "eks";
  }
}

std::string blueprint_markdown() {
  std::string out = "| variable | type | default | read by | meaning |\n|---|---|---|---|---|\n";
  for (const Variable& v : blueprint_variables()) {
    out += fmt::format("| `{}` | {} | `{}` | {} | {}{} |\n", v.name, type_words(v.type), v.default_text,
                       v.instead.empty() ? readers_words(v) : "nobody", v.meaning,
                       v.instead.empty() ? "" : fmt::format(". *Has no effect: {}.*", v.instead));
  }
  return out;
}

std::string_view to_string(Target target) {
  return kTargets[static_cast<std::size_t>(target)];
}

}  // namespace slipway::codec
