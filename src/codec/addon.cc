#include "codec/addon.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/check.h"
#include "codec/platform_files.h"
#include "codec/quantity.h"
#include "codec/yaml_fields.h"

namespace slipway::codec {
namespace {

using base::Result;
using domain::Addon;

constexpr YamlLimits kLimits = {.bytes = 64u << 10, .nodes = 2'000, .depth = 8};
constexpr std::string_view kKeys[] = {"name",
                                      "title",
                                      "meaning",
                                      "version",
                                      "newest_known",
                                      "source",
                                      "namespace",
                                      "pod_security",
                                      "wave",
                                      "enabled_by",
                                      "not_with_auto_mode",
                                      "runs_on",
                                      "health",
                                      "crds",
                                      "licence",
                                      "notes",
                                      "needs",
                                      "daemons"};

// Calls `read` with the fields of the map at `key`, when it is there.
template <class Read>
Result<void> within(const YamlFields& fields, std::string_view key, const Source& source, Read read) {
  const YamlNode* node = fields.node(key);
  if (!node || node->is_null()) return {};
  return read(YamlFields(*node, source));
}

Result<void> read_source(const YamlFields& at, Addon& out) {
  static constexpr std::string_view kSource[] = {"chart", "repository", "chart_path", "manifests"};
  SLIPWAY_RETURN_IF_ERROR(at.only(kSource));
  SLIPWAY_TRY(out.chart, at.text("chart", false));
  SLIPWAY_TRY(out.repository, at.text("repository", false));
  SLIPWAY_TRY(out.chart_path, at.text("chart_path", false));
  SLIPWAY_TRY(out.manifests, at.texts("manifests"));
  constexpr std::string_view kRoot = "platform/";
  if (!out.chart_path.empty()) {
    if (!out.chart_path.starts_with(kRoot)) return at.bad(at.map(), "'chart_path' must begin with platform/");
    out.chart_path.erase(0, kRoot.size());
  }
  const int ways = !out.chart.empty() + !out.chart_path.empty() + !out.manifests.empty();
  if (ways != 1) return at.bad(at.map(), "'source' needs exactly one of chart, chart_path and manifests");
  return {};
}

Result<void> read_enabled(const YamlFields& at, Addon& out) {
  static constexpr std::string_view kEnabled[] = {"always",         "variable", "variables",
                                                  "addon_variable", "when",     "needed_by"};
  SLIPWAY_RETURN_IF_ERROR(at.only(kEnabled));
  SLIPWAY_TRY(out.always, at.truth("always"));
  SLIPWAY_TRY(out.variables, at.texts("variables"));
  SLIPWAY_TRY(const std::string variable, at.text("variable", false));
  if (!variable.empty()) out.variables.push_back(variable);
  SLIPWAY_TRY(out.addon_variable, at.text("addon_variable", false));
  SLIPWAY_TRY(out.needed_by, at.texts("needed_by"));
  SLIPWAY_TRY(const bool when, at.truth("when"));
  if (when)
    return at.bad(at.map(), "'when' can only be false: EKS owns the add-on while its variable is true");
  if (!out.always && out.variables.empty() && out.addon_variable.empty())
    return at.bad(at.map(), "'enabled_by' needs always, variable or addon_variable");
  return {};
}

Result<void> read_cpu_and_memory(const YamlFields& at, int& cpu_m, int& memory_mib) {
  SLIPWAY_TRY(const std::string cpu, at.text("cpu", false));
  SLIPWAY_TRY(const std::string memory, at.text("memory", false));
  const auto milli = quantity_milli(cpu.empty() ? "0" : cpu);
  const auto bytes = quantity(memory.empty() ? "0" : memory);
  if (!milli || !bytes) return at.bad(at.map(), "its cpu or memory is no quantity");
  cpu_m = static_cast<int>(*milli);
  memory_mib = static_cast<int>(*bytes >> 20);
  return {};
}

Result<void> read_daemons(const YamlFields& at, Addon& out) {
  static constexpr std::string_view kDaemons[] = {"cpu", "memory", "accelerator", "arch"};
  SLIPWAY_RETURN_IF_ERROR(at.only(kDaemons));
  SLIPWAY_RETURN_IF_ERROR(read_cpu_and_memory(at, out.daemons.cpu_m, out.daemons.memory_mib));
  SLIPWAY_TRY(out.daemons.accelerator, at.text("accelerator", false));
  SLIPWAY_TRY(out.daemons.arch, at.text("arch", false));
  return {};
}

Result<void> read_needs(const YamlFields& at, Addon& out) {
  static constexpr std::string_view kNeeds[] = {"cpu", "memory", "volumes_gib", "load_balancers"};
  SLIPWAY_RETURN_IF_ERROR(at.only(kNeeds));
  SLIPWAY_RETURN_IF_ERROR(read_cpu_and_memory(at, out.needs.cpu_m, out.needs.memory_mib));
  SLIPWAY_TRY(const std::uint64_t volumes, at.number("volumes_gib", 100'000));
  SLIPWAY_TRY(const std::uint64_t balancers, at.number("load_balancers", 100));
  out.needs.volumes_gib = static_cast<int>(volumes);
  out.needs.load_balancers = static_cast<int>(balancers);
  return {};
}

Result<void> read_health(const YamlFields& fields, const Source& source, Addon& out) {
  static constexpr std::string_view kHealth[] = {"kind", "name", "namespace"};
  SLIPWAY_TRY(const auto items, fields.list("health"));
  for (const YamlNode& node : items) {
    const YamlFields at(node, source);
    SLIPWAY_RETURN_IF_ERROR(at.only(kHealth));
    Addon::Health health;
    SLIPWAY_TRY(health.kind, at.text("kind", true));
    SLIPWAY_TRY(health.name, at.text("name", true));
    SLIPWAY_TRY(health.name_space, at.text("namespace", false));
    if (health.name_space.empty()) health.name_space = out.name_space;
    out.health.push_back(std::move(health));
  }
  return {};
}

Result<void> read_maps(const YamlFields& fields, const Source& source, Addon& out) {
  static constexpr std::string_view kNewest[] = {"version", "date"};
  static constexpr std::string_view kSecurity[] = {"enforce", "reason"};
  SLIPWAY_RETURN_IF_ERROR(within(fields, "newest_known", source, [&](const YamlFields& at) -> Result<void> {
    SLIPWAY_RETURN_IF_ERROR(at.only(kNewest));
    SLIPWAY_TRY(out.newest_version, at.text("version", true));
    SLIPWAY_TRY(out.newest_date, at.text("date", true));
    return {};
  }));
  SLIPWAY_RETURN_IF_ERROR(within(fields, "pod_security", source, [&](const YamlFields& at) -> Result<void> {
    SLIPWAY_RETURN_IF_ERROR(at.only(kSecurity));
    SLIPWAY_TRY(out.pod_security, at.text("enforce", true));
    SLIPWAY_TRY(out.pod_security_reason, at.text("reason", false));
    return {};
  }));
  SLIPWAY_RETURN_IF_ERROR(
      within(fields, "source", source, [&](const YamlFields& at) { return read_source(at, out); }));
  SLIPWAY_RETURN_IF_ERROR(
      within(fields, "enabled_by", source, [&](const YamlFields& at) { return read_enabled(at, out); }));
  SLIPWAY_RETURN_IF_ERROR(
      within(fields, "daemons", source, [&](const YamlFields& at) { return read_daemons(at, out); }));
  return within(fields, "needs", source, [&](const YamlFields& at) { return read_needs(at, out); });
}

}  // namespace

Result<Addon> parse_addon(const Source& source) {
  SLIPWAY_TRY(const YamlNode root, parse_yaml(source, kLimits));
  const YamlFields fields(root, source);
  SLIPWAY_RETURN_IF_ERROR(fields.only(kKeys));
  Addon out;
  SLIPWAY_TRY(out.name, fields.text("name", true));
  SLIPWAY_TRY(out.title, fields.text("title", true));
  SLIPWAY_TRY(out.meaning, fields.text("meaning", true));
  SLIPWAY_TRY(out.version, fields.text("version", true));
  SLIPWAY_TRY(out.name_space, fields.text("namespace", false));
  SLIPWAY_TRY(out.runs_on, fields.text("runs_on", false));
  SLIPWAY_TRY(out.licence, fields.text("licence", true));
  SLIPWAY_TRY(out.notes, fields.text("notes", false));
  SLIPWAY_TRY(out.not_with_auto_mode, fields.truth("not_with_auto_mode"));
  SLIPWAY_TRY(out.crds, fields.texts("crds"));
  SLIPWAY_TRY(const std::uint64_t wave, fields.number("wave", 99));
  out.wave = static_cast<int>(wave);
  SLIPWAY_RETURN_IF_ERROR(read_maps(fields, source, out));
  SLIPWAY_RETURN_IF_ERROR(read_health(fields, source, out));
  return out;
}

const std::vector<Addon>& built_in_addons() {
  static const std::vector<Addon> addons = [] {
    std::vector<Addon> out;
    for (const PlatformFile& file : platform_files_in("addons/")) {
      if (!file.path.ends_with("/addon.yaml")) continue;
      auto addon = parse_addon({file.path, file.text});
      SLIPWAY_CHECK(addon.has_value());
      out.push_back(*std::move(addon));
    }
    std::ranges::sort(out, [](const Addon& a, const Addon& b) {
      return std::tie(a.wave, a.name) < std::tie(b.wave, b.name);
    });
    return out;
  }();
  return addons;
}

}  // namespace slipway::codec
