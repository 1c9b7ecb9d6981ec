// The local target: makes the replicas of this machine match what was deployed, and publishes what runs.
//
// A deploy resolves the values, fetches and checks the file, plans the replicas, starts them and waits until
// all are ready; a second deploy of the same model replaces it: the new replicas are ready before the old
// ones drain. Undeploy publishes a Snapshot without the model first, then drains. What was deployed is
// stored, and started again by restore().
//
// Ownership: owns deployments; the parts it is given outlive it. Threads: the loop's; each fetch has a thread
// of its own that posts its progress. Failure: every operation ends with a result or a coded error. Bounds:
// one operation a model at a time; kMaxReplicas slots.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/published.h"
#include "control/operation.h"
#include "control/resolve.h"
#include "control/slots.h"
#include "domain/replica.h"
#include "store/environment.h"
#include "store/model_store.h"
#include "supervisor/supervisor.h"

namespace slipway::control {

struct DeployedReplica {
  base::ReplicaId id;
  std::uint32_t slot = 0;
  ReplicaPlan plan;
};

struct Deployment {
  Asked asked = {};
  Resolved resolved = {};
  base::WallTime created{};
  std::string path = {}, sha256 = {};  // the file here; empty before it is
  std::vector<DeployedReplica> replicas = {};
  std::string phase = {};  // what the deploy is doing, in words for clients; empty when it is done
  std::optional<base::Error> failure = {};  // it cannot run, and why
};

struct StoppedReplica {
  base::ReplicaId id;
  supervisor::StopReport report;
};

struct TargetParts {
  io::Loop& loop;
  supervisor::Supervisor& supervisor;
  store::Environment& environment;
  store::ModelStore& models;
  const codec::Catalog& catalog;
  base::Published<domain::Snapshot>& snapshot;
  // Asks the worker program (gpus.h); blocking. Empty: this machine has none.
  std::function<std::vector<domain::Gpu>()> read_gpus = {};
};

class LocalTarget {
 public:
  using Describe = std::function<nlohmann::json(const std::string& model_id, const Deployment&)>;
  // `describe` makes the result of a deploy (the API's **model**).
  LocalTarget(TargetParts parts, Describe describe);
  ~LocalTarget();

  // Joins an operation under way for the same values. Never null; may be over already.
  // `by`: who asks, for the audit log; what cannot be recorded there is refused. Nobody (restore()): nothing
  // is recorded, and when it fails the deployment stays and shows its failure, instead of being taken back.
  OperationPtr deploy(const Asked& asked, const std::optional<store::Actor>& by);
  // Decides everything, changes nothing.
  OperationPtr rehearse(const Asked& asked);
  OperationPtr undeploy(const std::string& model_id, base::Duration drain, const store::Actor& by);
  // Starts `wanted` (the blueprint's models), then what the environment has stored beside them. A deployment
  // that cannot start stays, with its failure.
  void restore(const std::vector<Asked>& wanted);
  // Ends operations, drains every replica, forgets nothing. Once, at the end of the daemon.
  io::Task<std::vector<StoppedReplica>> stop_all(base::Deadline deadline);

  // A replica's state or progress changed.
  void on_replica(const supervisor::Replica& replica);

  // What is deployed, and what is on its way for the first time.
  std::vector<std::pair<std::string, const Deployment*>> deployments() const;
  const Deployment* find(const std::string& model_id) const;
  std::vector<OperationPtr> operations() const;  // under way
  Ground ground() const;

 private:
  struct Work {
    OperationPtr operation;
    Asked asked;
    std::optional<store::Actor> by = {};  // deploy()'s
    std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
  };
  // The operation that answers at once, null where one has to begin; and what the audit log says of it.
  std::pair<OperationPtr, std::string_view> answer_at_once(const Asked& asked,
                                                           const base::Result<Resolved>& resolved);
  OperationPtr begin(const Asked& asked, Resolved resolved, const std::optional<store::Actor>& by);
  io::Task<> run_deploy(std::string model_id, Work work);
  io::Task<base::Result<void>> bring_up(const std::string& model_id, const Work& work);
  io::Task<> look_at_gpus();
  bool uses_gpus() const;
  io::Task<base::Result<void>> fetch(const std::string& model_id, const Work& work, codec::GgufInfo& info);
  base::Result<void> start_replicas(const std::string& model_id, const Work& work,
                                    const codec::GgufInfo& info);
  io::Task<base::Result<void>> wait_until_ready(const std::string& model_id, const Work& work);
  io::Task<> run_undeploy(std::string model_id, base::Duration drain, OperationPtr operation,
                          store::Actor by);
  io::Task<std::vector<StoppedReplica>> stop_replicas(std::vector<DeployedReplica> replicas,
                                                      base::Deadline deadline);
  bool is_healthy(const Deployment& deployment) const;
  void store_deployment(const std::string& model_id, const Deployment& deployment, const Work& work);
  void relay_progress(const supervisor::Replica& replica);
  // What was refused or has ended; where that cannot be written it is logged.
  void record(const store::AuditEntry& entry);
  void publish();

  TargetParts parts_;
  const Describe describe_;
  std::map<std::string, Deployment> current_;   // by model id: serves
  std::map<std::string, Deployment> incoming_;  // on its way; replaces current_ when it is ready
  std::map<std::string, Work> works_;
  std::vector<domain::Gpu> gpus_;  // as they were when none of our replicas was there
  Slots slots_;
  std::uint64_t version_ = 0;
  io::Event changed_;  // some replica's state
  bool stopping_ = false;
};

}  // namespace slipway::control
