// Models on a cluster: deployed with platform/charts/inference through Helm, read through our API client.
//
// Where the cluster of an environment is stands in <state>/<name>/cluster.json (target "kubernetes", written
// by `up`) or beside the journal (target "eks"). Blocking; threads: main. Failure: unknown_environment,
// dependency_missing, bad values as Helm and the API say them.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "domain/model_facts.h"
#include "io/files.h"
#include "io/patience.h"
#include "kube/client.h"
#include "kube/helm.h"

namespace slipway::environment {

using codec::Json;

struct ClusterPlace {
  std::filesystem::path kubeconfig;
  std::string context;     // empty: the file's current one
  std::string name_space;  // of models
  bool gateway = false;    // `up` installed one (environment/cluster_gateway.h)
};
// Nothing when this machine knows no cluster of that name.
base::Result<std::optional<ClusterPlace>> cluster_place(const io::Paths& paths, const std::string& name);
base::Result<void> keep_cluster_place(const io::Paths& paths, const std::string& name,
                                      const ClusterPlace& place);
base::Result<void> forget_cluster_place(const io::Paths& paths, const std::string& name);
// A chart of the platform ("charts/inference/") as files below the environment's folder; where it lies then.
base::Result<std::filesystem::path> write_chart(const std::filesystem::path& folder, std::string_view chart);

class ClusterModels {
 public:
  // Writes the chart into the environment's folder and looks for Helm. `patience` must outlive this.
  static base::Result<ClusterModels> open(const io::Paths& paths, const std::string& name,
                                          const ClusterPlace& place, const io::Patience& patience);

  // The objects that a values file makes, as YAML. `release`: the model's id.
  // `replicas` 0: as the file says.
  base::Result<std::string> render(const std::string& release, const std::string& values,
                                   std::int64_t replicas);
  base::Result<void> deploy(const std::string& release, const std::string& values, std::int64_t replicas);
  base::Result<bool> undeploy(const std::string& release);  // false: it was not deployed
  // What can be seen of a model (its id or its Hugging Face id) or of one replica, for policy::causes. What
  // this kubeconfig may not read is named in `not_looked_at`. unknown_model when nothing is called so.
  base::Result<domain::ModelFacts> facts(const std::string& model_or_replica);
  base::Result<Json> models();  // kube::models_of, releases without pods included
  // The last lines of every replica of a model, or of one replica; `on_line`: its name and the line.
  base::Result<void> logs(const std::string& model_or_replica, std::int64_t tail,
                          const std::function<void(const std::string&, std::string_view)>& on_line);
  kube::Client& api() { return api_; }
  kube::Helm& helm() { return helm_; }
  const std::filesystem::path& folder() const { return folder_; }  // the environment's
  const ClusterPlace& place() const { return place_; }
  const io::Patience& patience() const { return patience_; }

 private:
  ClusterModels(ClusterPlace place, kube::Client api, kube::Helm helm, std::filesystem::path folder,
                std::filesystem::path chart, const io::Patience& patience)
      : place_(std::move(place)),
        api_(std::move(api)),
        helm_(std::move(helm)),
        folder_(std::move(folder)),
        chart_(std::move(chart)),
        patience_(patience) {}
  kube::Chart chart_of(const std::string& release, const std::string& values, std::int64_t replicas) const;
  base::Result<Json> pods(const std::string& selector);

  ClusterPlace place_;
  kube::Client api_;
  kube::Helm helm_;
  std::filesystem::path folder_;
  std::filesystem::path chart_;
  const io::Patience& patience_;
};

}  // namespace slipway::environment
