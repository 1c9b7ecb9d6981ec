#include "environment/models.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/platform_files.h"
#include "environment/cluster_gateway.h"
#include "environment/session.h"
#include "kube/model_facts.h"
#include "kube/model_pods.h"
#include "store/environment.h"

namespace slipway::environment {
namespace {

namespace fs = std::filesystem;
using base::Error, base::ErrorCode, base::Result;
using codec::field, codec::list, codec::text;

constexpr const char* kChart = "charts/inference/";
constexpr const char* kModelNamespace = "models";  // on eks
constexpr const char* kOurs = "app.kubernetes.io/part-of=slipway";
const kube::Resource kPods{"", "v1", "pods"};

Result<fs::path> folder_of(const io::Paths& paths, const std::string& name) {
  SLIPWAY_TRY(const store::EnvironmentPaths where, store::environment_paths(paths, name));
  return where.directory;
}

}  // namespace

Result<std::optional<ClusterPlace>> cluster_place(const io::Paths& paths, const std::string& name) {
  SLIPWAY_TRY(const fs::path folder, folder_of(paths, name));
  std::error_code ignored;
  if (fs::exists(folder / "cluster.json", ignored)) {
    SLIPWAY_TRY(const std::string file, io::read_file(folder / "cluster.json"));
    const auto json = codec::parse_json(file);
    if (!json)
      return Error(ErrorCode::state_corrupt, fmt::format("{} is no JSON", (folder / "cluster.json").string()))
          .with_next("Run `slipway up -f FILE` again: it writes the file anew.");
    return std::optional(ClusterPlace{.kubeconfig = text(*json, "kubeconfig"),
                                      .context = text(*json, "context"),
                                      .name_space = text(*json, "namespace"),
                                      .gateway = codec::truth(*json, "gateway")});
  }
  SLIPWAY_TRY(const Workspace where, workspace_of(paths, name));
  if (known(where) && fs::exists(where.kubeconfig, ignored))
    return std::optional(
        ClusterPlace{.kubeconfig = where.kubeconfig, .context = {}, .name_space = kModelNamespace});
  return std::optional<ClusterPlace>();
}

Result<void> keep_cluster_place(const io::Paths& paths, const std::string& name, const ClusterPlace& place) {
  SLIPWAY_TRY(const fs::path folder, folder_of(paths, name));
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(folder));
  const Json file{{"kubeconfig", place.kubeconfig.string()},
                  {"context", place.context},
                  {"namespace", place.name_space},
                  {"gateway", place.gateway}};
  return io::write_file_atomic(folder / "cluster.json", file.dump(1) + "\n");
}

Result<void> forget_cluster_place(const io::Paths& paths, const std::string& name) {
  SLIPWAY_TRY(const fs::path folder, folder_of(paths, name));
  std::error_code ignored;
  fs::remove(folder / "cluster.json", ignored);
  fs::remove_all(folder / "charts", ignored);
  return {};
}

Result<fs::path> write_chart(const fs::path& folder, std::string_view chart) {
  for (const codec::PlatformFile& file : codec::platform_files_in(chart)) {
    const fs::path path = folder / file.path;
    const auto before = io::read_file(path);
    if (before && *before == file.text) continue;
    SLIPWAY_RETURN_IF_ERROR(io::make_directories(path.parent_path()));
    SLIPWAY_RETURN_IF_ERROR(io::write_file_atomic(path, file.text));
  }
  return folder / chart;
}

Result<ClusterModels> ClusterModels::open(const io::Paths& paths, const std::string& name,
                                          const ClusterPlace& place, const io::Patience& patience) {
  SLIPWAY_TRY(kube::Client api, kube::Client::open(place.kubeconfig, place.context));
  SLIPWAY_TRY(io::Tool helm, io::find_tool(kube::helm_need()));
  SLIPWAY_TRY(const fs::path folder, folder_of(paths, name));
  SLIPWAY_TRY(const fs::path chart, write_chart(folder, kChart));
  return ClusterModels(place, std::move(api),
                       kube::Helm(std::move(helm), place.kubeconfig, patience, place.context), folder, chart,
                       patience);
}

kube::Chart ClusterModels::chart_of(const std::string& release, const std::string& values,
                                    std::int64_t replicas) const {
  std::vector<std::string> set;
  if (replicas > 0) set.push_back(fmt::format("inference.modelServer.deployment.replicas={}", replicas));
  // What is set wins over the file, which may name another one.
  if (place_.gateway && !values.contains("gatewayNamespace"))
    set.push_back(fmt::format("networkPolicy.gatewayNamespace={}", kGatewayNamespace));
  return {.release = release,
          .name_space = place_.name_space,
          .chart = chart_.string(),
          .repository = {},
          .version = {},
          .values = values,
          .set = std::move(set)};
}

Result<std::string> ClusterModels::render(const std::string& release, const std::string& values,
                                          std::int64_t replicas) {
  return helm_.render(chart_of(release, values, replicas));
}

Result<void> ClusterModels::deploy(const std::string& release, const std::string& values,
                                   std::int64_t replicas) {
  return helm_.install(chart_of(release, values, replicas));
}

Result<Json> ClusterModels::pods(const std::string& selector) {
  SLIPWAY_TRY(const Json list, api_.list(kPods.path(place_.name_space), selector));
  return list.at("items");
}

Result<bool> ClusterModels::undeploy(const std::string& release) {
  SLIPWAY_TRY(const auto found, helm_.release(release, place_.name_space));
  if (!found) return false;
  SLIPWAY_RETURN_IF_ERROR(helm_.uninstall(release, place_.name_space));
  return true;
}

Result<domain::ModelFacts> ClusterModels::facts(const std::string& wanted) {
  SLIPWAY_TRY(domain::ModelFacts out, kube::model_facts(api_, place_.name_space, wanted, patience_));
  if (!out.pods.empty() || !out.owners.empty()) return out;
  SLIPWAY_TRY(const auto releases, helm_.releases(place_.name_space));
  if (std::ranges::find(releases, wanted) != releases.end()) return out;
  return Error(ErrorCode::unknown_model,
               fmt::format("nothing in namespace {} is called {}", place_.name_space, wanted))
      .with_next("`slipway status` names models and replicas.");
}

Result<Json> ClusterModels::models() {
  SLIPWAY_TRY(const Json now, pods(kOurs));
  Json out = kube::models_of(now);
  SLIPWAY_TRY(const auto releases, helm_.releases(place_.name_space));
  for (const std::string& release : releases)
    if (std::ranges::none_of(out, [&](const Json& m) { return text(m, "id") == release; }))
      out.push_back({{"id", release},
                     {"model", ""},
                     {"framework", ""},
                     {"state", "pending"},
                     {"replicas", Json::array()}});
  return out;
}

Result<void> ClusterModels::logs(const std::string& wanted, std::int64_t tail,
                                 const std::function<void(const std::string&, std::string_view)>& on_line) {
  SLIPWAY_TRY(const Json now, pods(kOurs));
  bool any = false;
  for (const Json& pod : now) {
    const Json& meta = field(pod, "metadata");
    const std::string name = text(meta, "name");
    if (!wanted.empty() && name != wanted && text(field(meta, "labels"), kube::kModelLabel) != wanted)
      continue;
    any = true;
    auto lines = api_.text(fmt::format("{}/log?tailLines={}", kPods.path(place_.name_space, name), tail));
    // A container that never ran has no log, and the API says so with a 400.
    if (!lines && lines.error().code() != ErrorCode::kubernetes_failed) return std::move(lines).error();
    std::string_view rest = lines ? std::string_view(*lines) : std::string_view();
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      on_line(name, rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  if (any || wanted.empty()) return {};
  return Error(ErrorCode::unknown_model,
               fmt::format("nothing in namespace {} is called {}", place_.name_space, wanted))
      .with_next("`slipway status` names models and replicas.");
}

}  // namespace slipway::environment
