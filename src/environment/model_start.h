// Waiting for a model that is being deployed: until its replicas are ready, phase by phase.
//
// Made before the deploy, so that replicas which were ready already are told from those that start; of a
// Deployment the wait ends when the new replicas are ready and the old ones told to go. Blocking; one look a
// second; threads: main. What this kubeconfig may not read (events, nodes, node claims) is left out of the
// phases, never a failure. Failure: of the API; crash_loop or kubernetes_failed when a replica cannot run;
// timeout; interrupted.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/patience.h"
#include "kube/client.h"
#include "kube/start_phases.h"

namespace slipway::environment {

using codec::Json;

// What the pods of a model and its Deployment say of a deploy that began when `before` was seen.
struct PodsBefore {
  std::set<std::string> all, ready;  // uids
};
PodsBefore pods_before(const Json& pods);
struct Rollout {
  Json pods = Json::array();   // that are not going
  std::vector<Json> starting;  // those of them that were not ready before
  int ready = 0;
  bool made = false;       // every replica that is wanted has its pod
  bool complete = false;   // and is ready, and none of an earlier version is left
  bool replacing = false;  // pods of an earlier version are being replaced
};
// `deployments`: the list of the model's, empty where another kind makes its pods.
Rollout rollout_of(const Json& pods, const Json& deployments, const PodsBefore& before, int wanted);

struct StartedModel {
  Json model;                            // as kube::models_of shows it
  std::vector<kube::StartPhase> phases;  // of the replicas that were started now; empty when none was
  std::size_t started = 0;               // how many these are
};

class ModelStart {
 public:
  // A phase that all replicas are through; `replicas` of them.
  using OnPhase = std::function<void(const kube::StartPhase& phase, std::size_t replicas)>;

  // Looks at what runs before the deploy. `api` and `patience` must outlive this.
  static base::Result<ModelStart> before(kube::Client& api, std::string name_space, std::string model,
                                         const io::Patience& patience);
  base::Result<StartedModel> wait(int replicas, base::Duration limit, const OnPhase& on_phase);

 private:
  ModelStart(kube::Client& api, std::string name_space, std::string model, const io::Patience& patience)
      : api_(api), name_space_(std::move(name_space)), model_(std::move(model)), patience_(patience) {}
  base::Result<Json> of_model(const kube::Resource& resource);
  base::Result<Json> readable(const std::string& path);
  base::Result<void> look_at_node(kube::ReplicaStart& replica);
  base::Result<std::vector<kube::StartPhase>> phases_of(const Rollout& rollout);
  void tell(const std::vector<kube::StartPhase>& phases, const Rollout& rollout, const OnPhase& on_phase);

  kube::Client& api_;
  std::string name_space_, model_;
  const io::Patience& patience_;
  PodsBefore before_;
  struct Node {
    Json node, claim;  // null: not there, or not readable
  };
  std::map<std::string, Node> nodes_;  // by name
  std::set<kube::Phase> told_;
};

}  // namespace slipway::environment
