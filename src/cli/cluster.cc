#include "cli/cluster.h"

#include <fmt/format.h>

#include <cstdlib>

#include "cli/cloud.h"
#include "cli/confirm.h"
#include "cli/model_view.h"
#include "cli/text.h"
#include "environment/cluster_gateway.h"
#include "environment/secrets.h"
#include "kube/client.h"

namespace slipway::cli {
namespace {

using base::Error, base::ErrorCode, base::Result;
namespace fs = std::filesystem;

constexpr const char* kModelPods = "baseline";  // Pod Security of models: an EFA pins memory as root
const kube::Resource kNamespaces{"", "v1", "namespaces"}, kServices{"", "v1", "services"};
constexpr const char* kGateway = "slipway-gateway";  // the Service of platform/charts/slipway
constexpr std::uint16_t kGatewayPort = 8000, kModelPort = 8000;

fs::path kubeconfig_of(const std::string& named) {
  if (!named.empty()) return fs::absolute(named);
  const char* const variable = std::getenv("KUBECONFIG");
  if (variable != nullptr && *variable != 0) return fs::absolute(variable);
  const char* const home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : "/") / ".kube/config";
}

Error nothing_deployed(const std::string& name, const Json& models) {
  std::string message = fmt::format("no model named \"{}\" is deployed", name);
  if (const auto near = nearest(name, model_names(models)))
    message += fmt::format("; did you mean {}?", *near);
  return Error(ErrorCode::unknown_model, std::move(message));
}

}  // namespace

Result<environment::ClusterModels> models_of(const Globals& globals, const environment::ClusterPlace& place,
                                             const io::Patience& patience) {
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  return environment::ClusterModels::open(paths, environment_name(globals), place, patience);
}

Result<std::optional<environment::ClusterPlace>> cluster_of(const Globals& globals) {
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  return environment::cluster_place(paths, environment_name(globals));
}

Result<int> cluster_up(Invocation& invocation, const LoadedBlueprint& loaded) {
  const domain::Blueprint& blueprint = loaded.blueprint;
  Work work(invocation);
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  const std::string& image = blueprint.cluster.gateway_image;
  SLIPWAY_TRY(const auto before, environment::cluster_place(paths, blueprint.name));
  const bool had_gateway = before && before->gateway;
  environment::ClusterPlace place{.kubeconfig = kubeconfig_of(blueprint.cluster.kubeconfig),
                                  .context = blueprint.cluster.kube_context,
                                  .name_space = blueprint.cluster.kube_namespace,
                                  .gateway = had_gateway || !image.empty()};
  work.watcher.step("ask the cluster");
  SLIPWAY_TRY(auto models, environment::ClusterModels::open(paths, blueprint.name, place, work.patience));
  SLIPWAY_TRY(const auto version, models.api().get("/version"));
  SLIPWAY_TRY(const bool made, environment::make_namespace(models.api(), place.name_space, blueprint.name,
                                                           kModelPods, work.patience));
  SLIPWAY_RETURN_IF_ERROR(environment::keep_cluster_place(paths, blueprint.name, place));
  environment::InstalledGateway gateway;
  if (!image.empty()) {
    work.watcher.step("install the gateway");
    SLIPWAY_TRY(gateway, environment::install_gateway(models, blueprint.name, image, had_gateway));
  } else if (had_gateway) {
    work.watcher.step("remove the gateway");
    SLIPWAY_RETURN_IF_ERROR(environment::remove_gateway(models, blueprint.name));
    place.gateway = false;
    SLIPWAY_RETURN_IF_ERROR(environment::keep_cluster_place(paths, blueprint.name, place));
  }
  work.watcher.finish();
  const Json receipt{
      {"environment", blueprint.name},
      {"target", "kubernetes"},
      {"server", models.api().server()},
      {"kubernetes_version", version ? text_of(*version, "gitVersion") : ""},
      {"namespace", place.name_space},
      {"namespace_made", made},
      {"gateway", image.empty() ? Json()
                                : Json{{"address", gateway.address},
                                       {"namespace", environment::kGatewayNamespace},
                                       {"key", gateway.key.empty() ? Json() : Json(gateway.key)}}}};
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, receipt);
    return 0;
  }
  invocation.console.out(fmt::format("environment {} is namespace {} of {} (Kubernetes {})\n", blueprint.name,
                                     place.name_space, models.api().server(),
                                     text_of(receipt, "kubernetes_version")));
  if (!image.empty()) {
    invocation.console.out(fmt::format("gateway {} in the cluster\n", gateway.address));
    if (!gateway.key.empty())
      invocation.console.out(fmt::format("its first key, shown this once: {}\n", gateway.key));
  }
  if (!invocation.globals.quiet)
    print_note(invocation.console,
               fmt::format("next: slipway --environment {} deploy values.yaml", blueprint.name));
  return 0;
}

Result<int> cluster_down(Invocation& invocation, const std::string& name,
                         const environment::ClusterPlace& place, bool dry_run) {
  Work work(invocation);
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(auto models, environment::ClusterModels::open(paths, name, place, work.patience));
  SLIPWAY_TRY(const Json all, models.models());
  SLIPWAY_TRY(const std::string maker, environment::maker_of(models.api(), place.name_space));
  const bool ours = maker == name;
  Json removed = Json::array();
  for (const Json& model : all) removed.push_back(text_of(model, "id"));
  Json receipt{{"environment", name},
               {"models", removed},
               {"namespace", place.name_space},
               {"namespace_removed", ours},
               {"gateway_removed", place.gateway}};
  if (dry_run) {
    receipt["dry_run"] = true;
  } else {
    if (!removed.empty() || ours || place.gateway) {
      SLIPWAY_TRY(
          const bool yes,
          confirm(invocation,
                  fmt::format("Remove {}{} from {}{}?", counted(static_cast<double>(removed.size()), "model"),
                              place.gateway ? " and the gateway" : "", models.api().server(),
                              ours ? fmt::format(", and namespace {}", place.name_space) : "")));
      if (!yes) return 0;
    }
    if (place.gateway) {
      work.watcher.step("remove the gateway");
      SLIPWAY_RETURN_IF_ERROR(environment::remove_gateway(models, name));
    }
    for (const Json& id : removed) {
      work.watcher.step(fmt::format("undeploy {}", id.get<std::string>()));
      SLIPWAY_RETURN_IF_ERROR(models.undeploy(id.get<std::string>()));
    }
    SLIPWAY_TRY(const bool token, environment::forget_token_on(models.api(), place, name));
    receipt["token_removed"] = token;
    if (ours) SLIPWAY_RETURN_IF_ERROR(models.api().erase(kNamespaces.path("", place.name_space)));
    SLIPWAY_RETURN_IF_ERROR(environment::forget_cluster_place(paths, name));
  }
  work.watcher.finish();
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, receipt);
    return 0;
  }
  invocation.console.out(fmt::format(
      "{} {}{} of {}{}\n", dry_run ? "would remove" : "removed",
      counted(static_cast<double>(removed.size()), "model"), place.gateway ? " and the gateway" : "", name,
      ours ? fmt::format(" and namespace {}", place.name_space)
           : fmt::format("; namespace {} was there before and stays", place.name_space)));
  return 0;
}

Result<int> cluster_undeploy(Invocation& invocation, const environment::ClusterPlace& place,
                             const std::string& name, bool dry_run) {
  Work work(invocation);
  SLIPWAY_TRY(auto models, models_of(invocation.globals, place, work.patience));
  SLIPWAY_TRY(const Json all, models.models());
  const Json* found = nullptr;
  for (const Json& model : all)
    if (text_of(model, "id") == name || text_of(model, "model") == name) found = &model;
  if (found == nullptr) return nothing_deployed(name, all);
  const std::string id = text_of(*found, "id");
  if (!dry_run) {
    work.watcher.step(fmt::format("undeploy {}", id));
    SLIPWAY_RETURN_IF_ERROR(models.undeploy(id));
    work.watcher.finish();
  }
  const std::size_t replicas = list_of(*found, "replicas").size();
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output,
                Json{{dry_run ? "would_undeploy" : "undeployed", id}, {"replicas", replicas}});
    return 0;
  }
  invocation.console.out(fmt::format("{} {}: {}\n", dry_run ? "would undeploy" : "undeployed", id,
                                     counted(static_cast<double>(replicas), "replica")));
  return 0;
}

Result<Json> cluster_models(const Globals& globals, const environment::ClusterPlace& place,
                            const io::Patience& patience) {
  SLIPWAY_TRY(auto models, models_of(globals, place, patience));
  return models.models();
}

Result<kube::PortForward> way_to_model(const environment::ClusterPlace& place, const Json& model,
                                       bool have_key) {
  if (have_key) {
    SLIPWAY_TRY(kube::Client api, kube::Client::open(place.kubeconfig, place.context));
    const auto gateway = api.get(kServices.path(environment::kGatewayNamespace, kGateway));
    if (gateway && *gateway)
      return kube::PortForward::open(place.kubeconfig, place.context, environment::kGatewayNamespace,
                                     fmt::format("service/{}", kGateway), kGatewayPort);
  }
  const std::string id = text_of(model, "id");
  if (text_of(model, "framework") == "triton-vllm")
    return Error(ErrorCode::unsupported,
                 fmt::format("{} is served by Triton, which does not speak this API itself", id))
        .with_next("Install Slipway's gateway (docs/guides/kubernetes.md) and set SLIPWAY_API_KEY.");
  return way_to_replica(place, model);
}

Result<kube::PortForward> way_to_replica(const environment::ClusterPlace& place, const Json& model) {
  for (const Json& replica : list_of(model, "replicas"))
    if (text_of(replica, "state") == "ready")
      return kube::PortForward::open(place.kubeconfig, place.context, place.name_space,
                                     "pod/" + text_of(replica, "id"), kModelPort);
  const std::string id = text_of(model, "id");
  return Error(ErrorCode::no_replica, fmt::format("no replica of {} is ready", id))
      .with_next(fmt::format("Run `slipway why {}`.", id));
}

Result<int> cluster_logs(Invocation& invocation, const environment::ClusterPlace& place,
                         const std::string& name, std::int64_t tail) {
  Work work(invocation, true);
  SLIPWAY_TRY(auto models, models_of(invocation.globals, place, work.patience));
  SLIPWAY_RETURN_IF_ERROR(models.logs(name, tail, [&](const std::string& replica, std::string_view line) {
    if (invocation.globals.output == OutputFormat::table)
      invocation.console.out(fmt::format("{} {}\n", invocation.console.paint_out(Style::dim, replica),
                                         without_controls(std::string(line))));
    else
      invocation.console.out(Json{{"replica", replica}, {"msg", std::string(line)}}.dump(
                                 -1, ' ', false, Json::error_handler_t::replace) +
                             "\n");
  }));
  return 0;
}

}  // namespace slipway::cli
