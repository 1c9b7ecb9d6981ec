#include "environment/cluster_gateway.h"

#include <fmt/format.h>

#include "environment/image.h"
#include "store/keys.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::field, codec::text;

constexpr const char* kRelease = "slipway";
constexpr const char* kKeys = "slipway-keys";
constexpr const char* kChart = "charts/slipway/";
constexpr auto kTerminating = std::chrono::minutes(5);  // gateways drain for two, balancers go after them
constexpr auto kLook = std::chrono::seconds(1);
const kube::Resource kNamespaces{"", "v1", "namespaces"}, kSecrets{"", "v1", "secrets"};

Json labels_of(const std::string& environment) {
  return {{kEnvironmentLabel, environment}, {"app.kubernetes.io/managed-by", "slipway"}};
}

std::string environment_of(const Json& object) {
  return text(field(field(object, "metadata"), "labels"), kEnvironmentLabel);
}

// Nobody else's: the namespace is ours, or nothing called like us is in it.
Result<void> check_owner(ClusterModels& models, const std::string& environment) {
  SLIPWAY_TRY(const std::string maker, maker_of(models.api(), kGatewayNamespace));
  if (maker == environment) return {};
  SLIPWAY_TRY(const auto release, models.helm().release(kRelease, kGatewayNamespace));
  if (!release && maker.empty()) return {};
  SLIPWAY_TRY(const auto keys, models.api().get(kSecrets.path(kGatewayNamespace, kKeys)));
  if (maker.empty() && keys && environment_of(*keys) == environment) return {};
  return Error(ErrorCode::name_conflict,
               fmt::format("namespace {} of the cluster has a Slipway of {}", kGatewayNamespace,
                           maker.empty() ? "somebody else" : "environment " + maker))
      .with_next("Use that one, take it away first, or leave gateway_image out of the blueprint.");
}

// The key, if the Secret had to be made. Prometheus gets one of its own, which asks no model.
Result<std::string> make_keys(kube::Client& api, const std::string& environment) {
  SLIPWAY_TRY(const auto there, api.get(kSecrets.path(kGatewayNamespace, kKeys)));
  if (there) return std::string();
  std::string key = store::make_key_text();
  const std::string metrics = store::make_key_text();
  SLIPWAY_RETURN_IF_ERROR(api.create(
      kSecrets.path(kGatewayNamespace),
      {{"apiVersion", "v1"},
       {"kind", "Secret"},
       {"metadata", {{"name", kKeys}, {"namespace", kGatewayNamespace}, {"labels", labels_of(environment)}}},
       {"type", "Opaque"},
       {"stringData", {{"keys", fmt::format("{}\n{} scope=admin\n", key, metrics)}, {"metrics", metrics}}}}));
  return key;
}

}  // namespace

Result<std::string> maker_of(kube::Client& api, const std::string& name_space) {
  SLIPWAY_TRY(const auto found, api.get(kNamespaces.path("", name_space)));
  return found ? environment_of(*found) : std::string();
}

Result<bool> make_namespace(kube::Client& api, const std::string& name, const std::string& environment,
                            const std::string& level, const io::Patience& patience) {
  const auto path = kNamespaces.path("", name);
  SLIPWAY_TRY(auto there, api.get(path));
  const auto going = [](const Json& found) { return field(found, "metadata").contains("deletionTimestamp"); };
  if (there && going(*there)) {
    SLIPWAY_RETURN_IF_ERROR(
        patience.until(fmt::format("namespace {} to be gone before it is made anew", name), kTerminating,
                       kLook, [&]() -> Result<bool> {
                         SLIPWAY_TRY(there, api.get(path));
                         return !there || !going(*there);
                       }));
  }
  if (there) return false;
  Json labels = labels_of(environment);
  labels["pod-security.kubernetes.io/warn"] = "restricted";
  labels["pod-security.kubernetes.io/enforce"] = level;
  SLIPWAY_RETURN_IF_ERROR(api.apply(path, {{"apiVersion", "v1"},
                                           {"kind", "Namespace"},
                                           {"metadata", {{"name", name}, {"labels", std::move(labels)}}}}));
  return true;
}

Result<Json> image_values(const std::string& image) {
  const auto at = image.find('@');
  const std::string name = image.substr(0, at);
  const auto slash = name.rfind('/');
  const auto colon = name.find(':', slash == std::string::npos ? 0 : slash);
  Json out{{"repository", name.substr(0, colon)}};
  if (colon != std::string::npos) out["tag"] = name.substr(colon + 1);
  if (at != std::string::npos) out["digest"] = image.substr(at + 1);
  if (name.empty() || colon == 0 || (colon == std::string::npos && at == std::string::npos))
    return Error(ErrorCode::bad_value, fmt::format("gateway_image: `{}` is no image with a tag", image))
        .with_next("Write it as in registry.example.org/slipway:0.1.0.");
  return out;
}

Result<InstalledGateway> install_gateway(ClusterModels& models, const std::string& environment,
                                         const std::string& image, bool installed_before) {
  const std::string& served = models.place().name_space;
  if (served == kGatewayNamespace)
    return Error(ErrorCode::bad_value,
                 fmt::format("the gateway's namespace is {}, and models have one of their own",
                             kGatewayNamespace))
        .with_next("Set kube_namespace to another name.");
  SLIPWAY_TRY(Json picture, image_values(image));
  SLIPWAY_TRY(picture["architecture"], image_architecture());
  if (!installed_before) SLIPWAY_RETURN_IF_ERROR(check_owner(models, environment));
  SLIPWAY_RETURN_IF_ERROR(
      make_namespace(models.api(), kGatewayNamespace, environment, "restricted", models.patience()));
  SLIPWAY_TRY(const auto chart, write_chart(models.folder(), kChart));
  const Json values{{"image", picture}, {"modelNamespaces", Json::array({served})}};
  SLIPWAY_RETURN_IF_ERROR(models.helm().install({.release = kRelease,
                                                 .name_space = kGatewayNamespace,
                                                 .chart = chart.string(),
                                                 .repository = {},
                                                 .version = {},
                                                 .values = values.dump()}));
  // Last: a key of an installation that failed would never be shown.
  SLIPWAY_TRY(std::string key, make_keys(models.api(), environment));
  return InstalledGateway{.address = fmt::format("http://{}-gateway.{}:8000/v1", kRelease, kGatewayNamespace),
                          .key = std::move(key)};
}

Result<bool> remove_gateway(ClusterModels& models, const std::string& environment) {
  kube::Client& api = models.api();
  SLIPWAY_TRY(const std::string maker, maker_of(api, kGatewayNamespace));
  SLIPWAY_TRY(const auto keys, api.get(kSecrets.path(kGatewayNamespace, kKeys)));
  const bool our_keys = keys && environment_of(*keys) == environment;
  if (maker != environment && !our_keys) return false;
  SLIPWAY_TRY(const auto release, models.helm().release(kRelease, kGatewayNamespace));
  if (release) SLIPWAY_RETURN_IF_ERROR(models.helm().uninstall(kRelease, kGatewayNamespace));
  if (our_keys) SLIPWAY_RETURN_IF_ERROR(api.erase(kSecrets.path(kGatewayNamespace, kKeys)));
  if (maker == environment) SLIPWAY_RETURN_IF_ERROR(api.erase(kNamespaces.path("", kGatewayNamespace)));
  return true;
}

}  // namespace slipway::environment
