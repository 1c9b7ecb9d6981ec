#include "environment/addons.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/ids.h"
#include "codec/platform_files.h"
#include "codec/yaml_tree.h"
#include "environment/chart_archive.h"
#include "store/digest.h"

namespace slipway::environment {
namespace {

using base::Result;
using codec::list, codec::text;

constexpr auto kHealthTime = std::chrono::minutes(15);
constexpr auto kSecretTime = std::chrono::minutes(10);
constexpr auto kSecretLook = std::chrono::seconds(3);
constexpr auto kGoneTime = std::chrono::minutes(5);
constexpr std::string_view kPlatformRoot = "platform/";

std::string_view file_of(const domain::Addon& addon, std::string_view name) {
  const std::string path = fmt::format("addons/{}/{}", addon.name, name);
  for (const codec::PlatformFile& file : codec::platform_files())
    if (file.path == path) return file.text;
  return {};
}

Result<kube::Chart> chart_of(const Session& session, const domain::Addon& addon, const AddonFiles& files) {
  kube::Chart chart{.release = addon.name,
                    .name_space = addon.name_space,
                    .chart = addon.chart,
                    .repository = addon.repository,
                    .version = addon.version,
                    .values = files.values};
  if (!addon.chart_path.empty()) {
    std::string_view path = addon.chart_path;
    if (path.starts_with(kPlatformRoot)) path.remove_prefix(kPlatformRoot.size());
    chart.chart = (session.where().platform / path).string();
    chart.version.clear();
  } else if (addon.repository.starts_with("oci://")) {
    chart.chart = addon.repository + "/" + addon.chart;
    chart.repository.clear();
  } else if (addon.repository.ends_with(".tar.gz") || addon.repository.ends_with(".tgz")) {
    const std::filesystem::path folder =
        session.where().folder / "charts" / fmt::format("{}-{}", addon.name, addon.version);
    SLIPWAY_RETURN_IF_ERROR(unpack_chart({addon.repository, addon.chart}, folder));
    chart.chart = folder.string();
    chart.repository.clear();
    chart.version.clear();
  }
  return chart;
}

bool by_helm(const domain::Addon& addon) {
  return addon.manifests.empty();
}

kube::ObjectRef ref_of(const domain::Addon::Health& h) {
  return {h.kind, h.name,
          h.kind == "NodePool" || h.kind == "CustomResourceDefinition" || h.kind == "StorageClass" ||
                  h.kind == "RuntimeClass"
              ? ""
              : h.name_space};
}

std::string random_text(std::int64_t length) {
  return base::random_base32(static_cast<std::size_t>(std::clamp<std::int64_t>(length, 16, 128)));
}

// A Secret that is there stays: its value is in use. One value for all its namespaces.
Result<void> generate_secret(Session& session, const Json& wanted) {
  const std::string name = text(wanted, "name");
  std::optional<Json> data;
  std::vector<std::string> absent;
  for (const Json& space : list(wanted, "namespaces")) {
    SLIPWAY_TRY(const auto found, session.kubectl().get({"Secret", name, space.get<std::string>()}));
    if (found && !data) data = codec::field(*found, "data");
    if (!found) absent.push_back(space.get<std::string>());
  }
  Json body;
  if (data) {
    body["data"] = *data;
  } else {
    for (const auto& [key, how] : codec::field(wanted, "keys").items())
      body["stringData"][key] = how.contains("random")
                                    ? random_text(static_cast<std::int64_t>(codec::number(how, "random", 32)))
                                    : text(how, "value");
  }
  for (const std::string& space : absent) {
    Json secret{{"apiVersion", "v1"},
                {"kind", "Secret"},
                {"metadata", {{"name", name}, {"namespace", space}}},
                {"type", "Opaque"}};
    secret.update(body);
    SLIPWAY_RETURN_IF_ERROR(session.kubectl().apply(secret.dump()));
  }
  return {};
}

// Keys of a Secret that another add-on's operator made, so this one may read them in its own namespace.
Result<void> copy_secret(Session& session, const Json& wanted) {
  const Json& from = codec::field(wanted, "from");
  const Json& to = codec::field(wanted, "to");
  const kube::ObjectRef source{"Secret", text(from, "name"), text(from, "namespace")};
  std::optional<Json> found;
  SLIPWAY_RETURN_IF_ERROR(session.patience().until(source.words() + " to be made", kSecretTime, kSecretLook,
                                                   [&]() -> Result<bool> {
                                                     SLIPWAY_TRY(found, session.kubectl().get(source));
                                                     return found.has_value();
                                                   }));
  Json secret{{"apiVersion", "v1"},
              {"kind", "Secret"},
              {"metadata", {{"name", text(to, "name")}, {"namespace", text(to, "namespace")}}},
              {"type", "Opaque"}};
  for (const Json& key : list(from, "keys"))
    secret["data"][key.get<std::string>()] =
        codec::field(codec::field(*found, "data"), key.get<std::string>());
  return session.kubectl().apply(secret.dump());
}

Result<Json> prepare(Session& session, const domain::Addon& addon, const AddonFiles& files) {
  if (!files.name_space.empty()) SLIPWAY_RETURN_IF_ERROR(session.kubectl().apply(files.name_space));
  for (const Json& wanted : list(files.secrets, "generate"))
    SLIPWAY_RETURN_IF_ERROR(generate_secret(session, wanted));
  for (const Json& wanted : list(files.secrets, "copy"))
    SLIPWAY_RETURN_IF_ERROR(copy_secret(session, wanted));
  return Json{{"namespace", addon.name_space}, {"digest", files.digest()}};
}

Result<void> healthy(Session& session, const domain::Addon& addon, base::Duration limit) {
  for (const domain::Addon::Health& h : addon.health)
    SLIPWAY_RETURN_IF_ERROR(session.kubectl().wait_healthy(ref_of(h), limit));
  return {};
}

Result<Json> install(Session& session, const domain::Addon& addon, const AddonFiles& files) {
  if (by_helm(addon)) {
    SLIPWAY_TRY(const kube::Chart chart, chart_of(session, addon, files));
    if (!addon.crds.empty()) {
      SLIPWAY_TRY(const std::string crds, session.helm().crds(chart));
      if (crds.find("kind:") != std::string::npos) SLIPWAY_RETURN_IF_ERROR(session.kubectl().apply(crds));
    }
    SLIPWAY_RETURN_IF_ERROR(session.helm().install(chart));
  }
  for (const std::string& manifest : files.manifests)
    SLIPWAY_RETURN_IF_ERROR(session.kubectl().apply(manifest));
  for (const std::string& url : files.urls) SLIPWAY_RETURN_IF_ERROR(session.kubectl().apply_url(url));
  SLIPWAY_RETURN_IF_ERROR(healthy(session, addon, kHealthTime));
  return Json{{"version", addon.version}, {"digest", files.digest()}};
}

Result<bool> installed(Session& session, const domain::Addon& addon, const AddonFiles& files,
                       const Json& before) {
  if (text(before, "digest") != files.digest()) return false;
  if (by_helm(addon)) {
    SLIPWAY_TRY(const auto release, session.helm().release(addon.name, addon.name_space));
    if (!release || release->status != "deployed") return false;
  }
  for (const domain::Addon::Health& h : addon.health) {
    SLIPWAY_TRY(const auto object, session.kubectl().get(ref_of(h)));
    if (!object || !kube::health_of(h.kind, *object).healthy) return false;
  }
  return true;
}

// Of our own small files: scalars are numbers where they look like one.
Json tree_json(const codec::YamlNode& node) {
  using Kind = codec::YamlNode::Kind;
  if (node.kind == Kind::null) return {};
  if (node.kind == Kind::scalar) {
    if (const auto whole = node.quoted ? std::nullopt : codec::yaml_integer(node)) return *whole;
    return node.text;
  }
  Json out = node.kind == Kind::list ? Json::array() : Json::object();
  for (const codec::YamlNode& item : node.items) out.push_back(tree_json(item));
  for (const auto& entry : node.entries) out[entry.key] = tree_json(entry.value);
  return out;
}

}  // namespace

std::string AddonFiles::digest() const {
  std::string all = name_space + '\0' + values + '\0' + secrets.dump();
  for (const std::string& m : manifests) all += '\0' + m;
  for (const std::string& u : urls) all += '\0' + u;
  return store::sha256_hex(all);
}

Result<AddonFiles> addon_files(const domain::Addon& addon, const codec::Facts& values) {
  AddonFiles out;
  const auto filled = [&](std::string_view name) {
    const std::string file = fmt::format("addons/{}/{}", addon.name, name);
    return codec::fill_placeholders({file, file_of(addon, name)}, values);
  };
  SLIPWAY_TRY(out.name_space, filled("namespace.yaml"));
  SLIPWAY_TRY(out.values, filled("values.yaml"));
  for (const std::string& manifest : addon.manifests) {
    if (manifest.starts_with("https://")) {
      out.urls.push_back(manifest);
      continue;
    }
    SLIPWAY_TRY(std::string manifest_text, filled(manifest));
    out.manifests.push_back(std::move(manifest_text));
  }
  const std::string_view secrets = file_of(addon, "secrets.yaml");
  if (secrets.empty()) return out;
  const std::string file = fmt::format("addons/{}/secrets.yaml", addon.name);
  SLIPWAY_TRY(const codec::YamlNode root,
              codec::parse_yaml({file, secrets}, {.bytes = 64u << 10, .nodes = 500, .depth = 8}));
  out.secrets = tree_json(root);
  return out;
}

Result<void> install_addons(Session& session, const std::vector<domain::Addon>& addons,
                            const codec::Facts& values) {
  for (const domain::Addon& addon : addons) {
    SLIPWAY_TRY(const AddonFiles files, addon_files(addon, values));
    if (!files.name_space.empty() || !files.secrets.is_null())
      SLIPWAY_RETURN_IF_ERROR(session.perform(
          {.id = fmt::format("addon/{}/namespace", addon.name),
           .title = fmt::format("prepare namespace {} for {}", addon.name_space, addon.name),
           .holds = [&](const Json& before) -> Result<bool> {
             if (text(before, "digest") != files.digest()) return false;
             SLIPWAY_TRY(const auto there, session.kubectl().get({"Namespace", addon.name_space, ""}));
             return there.has_value();
           },
           .run = [&] { return prepare(session, addon, files); }}));
    SLIPWAY_RETURN_IF_ERROR(session.perform(
        {.id = fmt::format("addon/{}/install", addon.name),
         .title = fmt::format("install {} {}", addon.name, addon.version),
         .holds = [&](const Json& before) { return installed(session, addon, files, before); },
         .run = [&] { return install(session, addon, files); }}));
  }
  return {};
}

Result<Json> verify_addons(Session& session, const std::vector<domain::Addon>& addons) {
  Json out = Json::array();
  for (const domain::Addon& addon : addons) {
    const Result<void> health = healthy(session, addon, kHealthTime);
    if (!health) return health.error();
    out.push_back({{"name", addon.name}, {"version", addon.version}, {"healthy", true}});
  }
  return out;
}

Result<void> remove_addon(Session& session, const domain::Addon& addon) {
  if (by_helm(addon)) return session.helm().uninstall(addon.name, addon.name_space);
  for (const domain::Addon::Health& h : addon.health)
    if (h.kind != "CustomResourceDefinition")
      SLIPWAY_RETURN_IF_ERROR(session.kubectl().erase(ref_of(h), kGoneTime));
  return {};
}

}  // namespace slipway::environment
