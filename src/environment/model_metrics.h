// What the replicas of a cluster's models say of their own work: their /metrics, and the cluster's metrics
// server where there is one.
//
// A replica is asked through the API server (`pods/proxy`); where that does not lead to it, because a right
// is missing or a NetworkPolicy lets nobody but gateways in, through a port-forward, which is kept as long as
// this lives. Blocking; threads: main. Bounds: kMaxWays port-forwards. Failure: of listing pods; a replica
// whose metrics cannot be read says why.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/serving_metrics.h"
#include "environment/models.h"
#include "kube/model_pods.h"
#include "kube/port_forward.h"

namespace slipway::environment {

struct ReplicaMetrics {
  std::string model, replica;
  std::optional<codec::ServingCounters> counters =
      {};                    // nothing where it is not ready, or could not be asked
  std::string why_not = {};  // of one that could not be asked
  std::optional<double> processors = {}, memory_bytes = {};  // in use, of its containers
};
struct MetricsLook {
  base::MonotonicTime at{};
  std::vector<std::string> models;  // also those without replicas
  std::vector<ReplicaMetrics> replicas;
};

class ModelMetrics {
 public:
  // `api` and `patience` must outlive this.
  ModelMetrics(kube::Client& api, ClusterPlace place, const io::Patience& patience)
      : api_(api), place_(std::move(place)), patience_(patience) {}
  base::Result<MetricsLook> look();

 private:
  void ask(const Json& pod, ReplicaMetrics& out);
  base::Result<std::string> by_forward(const std::string& replica, const kube::MetricsPlace& where);

  kube::Client& api_;
  ClusterPlace place_;
  const io::Patience& patience_;
  std::set<std::string> not_proxied_;              // replicas that the API server does not reach
  std::map<std::string, kube::PortForward> ways_;  // by replica
};

}  // namespace slipway::environment
