// The verbs on a cluster: what `up`, `down`, `deploy`, `undeploy`, `status`, `models`, `top` and `logs` do
// where models run on Kubernetes. The work is environment/; here are options, progress and how answers look.
// Threads: main.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "cli/blueprint_settings.h"
#include "cli/verb.h"
#include "environment/models.h"
#include "kube/port_forward.h"

namespace slipway::cli {

// The cluster of the environment that is meant; nothing where it is this machine's.
base::Result<std::optional<environment::ClusterPlace>> cluster_of(const Globals& globals);

base::Result<int> cluster_up(Invocation& invocation, const LoadedBlueprint& loaded);
// Every model that was deployed goes, then the namespace if `up` made it.
base::Result<int> cluster_down(Invocation& invocation, const std::string& name,
                               const environment::ClusterPlace& place, bool dry_run);

// cluster_deploy.cc. Waits, unless told not to, until the model answered a first request.
struct ClusterDeployOptions {
  std::string file;
  std::int64_t replicas = 0;  // 0: as the file says
  bool dry_run = false;
  bool wait = true;
};
base::Result<int> cluster_deploy(Invocation& invocation, const environment::ClusterPlace& place,
                                 const ClusterDeployOptions& options);
base::Result<int> cluster_undeploy(Invocation& invocation, const environment::ClusterPlace& place,
                                   const std::string& name, bool dry_run);
// The cluster's models, for a verb that works under `patience`.
base::Result<environment::ClusterModels> models_of(const Globals& globals,
                                                   const environment::ClusterPlace& place,
                                                   const io::Patience& patience);
base::Result<Json> cluster_models(const Globals& globals, const environment::ClusterPlace& place,
                                  const io::Patience& patience);
// A way to a model (one of cluster_models): to Slipway's gateway when there is one and a key, else to a ready
// replica itself. no_replica when none is ready; unsupported for what only the gateway can speak to.
base::Result<kube::PortForward> way_to_model(const environment::ClusterPlace& place, const Json& model,
                                             bool have_key);
// To a ready replica itself; no_replica when none is.
base::Result<kube::PortForward> way_to_replica(const environment::ClusterPlace& place, const Json& model);
base::Result<int> cluster_logs(Invocation& invocation, const environment::ClusterPlace& place,
                               const std::string& name, std::int64_t tail);

}  // namespace slipway::cli
