// What can be seen of a model that runs or does not: its pods, what owns them, what they wait for and what
// the engine said last. Gathered by kube/ on a cluster and from the daemon on this machine; policy/cause
// draws the conclusion. Plain values; times are ages in seconds at the moment of looking, so that nobody
// needs a clock.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace slipway::domain {

struct ConditionFact {
  std::string type = {};
  std::string status = {};  // "True", "False", "Unknown"
  std::string reason = {};
  std::string message = {};
};

struct EventFact {
  std::string reason = {};  // "FailedScheduling"
  std::string message = {};
  double age_s = 0;  // since it was last seen
  int count = 1;
};

struct ContainerFact {
  std::string name = {};
  std::string image = {};
  bool init = false;
  bool running = false;
  bool started = false;  // its startup probe passed, or it has none and runs
  bool ready = false;
  std::string waiting_reason = {};  // "CrashLoopBackOff"; empty: it does not wait
  std::string waiting_message = {};
  int restarts = 0;
  bool ended = false;  // it ended at least once; what follows is its last end
  int exit_code = 0;
  std::string exit_reason = {};  // "OOMKilled", "Error"
  std::string exit_message = {};
  double running_s = 0;
  double startup_limit_s = 0;  // how long its startup probe waits; 0: it has none
  std::string memory_limit = {};
  std::vector<std::string> log = {};  // last lines of the run that matters, oldest first
  double log_age_s = -1;              // of the newest line; negative: not known
};

struct PodFact {
  std::string name = {};
  std::string phase = {};  // "Pending", "Running", "Failed", ...
  std::string reason = {}, message = {};
  std::string node = {};  // empty: none yet
  bool ready = false;
  bool leaving = false;
  double age_s = 0;
  std::vector<ConditionFact> conditions = {};
  std::vector<ContainerFact> containers = {};   // init containers first
  std::vector<EventFact> events = {};           // newest first
  std::map<std::string, double> requests = {};  // "cpu" in processors, "memory" in bytes, "nvidia.com/gpu"
  std::map<std::string, std::string> selector = {};     // labels that a node must have
  bool node_affinity = false;                           // and rules that are no plain labels
  std::map<std::string, std::string> tolerations = {};  // key -> effect; an empty key tolerates all
  std::vector<std::string> claims = {};                 // PersistentVolumeClaims
};

// What makes the pods: a Deployment, a LeaderWorkerSet, a RayService, and what stands between.
struct OwnerFact {
  std::string kind = {};
  std::string name = {};
  int wanted = -1;  // replicas; negative: it does not say
  std::vector<ConditionFact> conditions = {};
  std::vector<EventFact> events = {};
};

struct ClaimFact {
  std::string name = {};
  std::string phase = {};  // "Pending", "Bound", "Lost"; empty: there is no such claim
  std::string storage_class = {};
  std::vector<EventFact> events = {};
};

// A node that Karpenter is getting.
struct NodeClaimFact {
  std::string name = {};
  std::string pool = {};
  bool ready = false;
  bool gone = false;  // Karpenter gave it up; only its events are left
  std::map<std::string, std::vector<std::string>> allowed = {};  // label -> the values it may take
  std::vector<ConditionFact> conditions = {};
  std::vector<EventFact> events = {};
};

struct TaintFact {
  std::string key = {}, value = {}, effect = {};
};

struct NodeFact {
  std::string name = {};
  bool ready = false;
  std::map<std::string, std::string> labels = {};
  std::vector<TaintFact> taints = {};
  std::map<std::string, double> allocatable = {};  // in the units of PodFact::requests
};

struct ModelFacts {
  std::string id = {};
  std::string name_space = {};  // empty on this machine
  int wanted = -1;              // replicas; negative: not known
  std::vector<PodFact> pods = {};
  std::vector<OwnerFact> owners = {};
  std::vector<ClaimFact> claims = {};
  std::vector<NodeClaimFact> node_claims = {};
  std::vector<NodeFact> nodes = {};
  std::vector<std::string> not_looked_at = {};  // "nodes (forbidden)"
  bool on_cluster() const { return !name_space.empty(); }
};

}  // namespace slipway::domain
