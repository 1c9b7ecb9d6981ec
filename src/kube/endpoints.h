// Where the replicas of models answer, read off a namespace's pods and EndpointSlices. Pure.
//
// A slice says who may be sent requests: it knows readiness as each framework's Service means it (Ray Serve's
// proxies, the leader of a group). A pod says sooner that it is going, and why it is not ready yet. Both
// carry the labels of platform/charts/inference; what has none is passed over. Source:
// https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "domain/replica.h"
#include "kube/watched_set.h"

namespace slipway::kube {

// What is known of one replica; from a slice without its pod, or the other way round, the rest is empty.
struct ReplicaSighting {
  std::string id;  // the pod's name; an address where a slice names no pod
  std::string model_id, alias, framework;
  domain::Endpoint endpoint;  // host empty: not known yet
  domain::ReplicaState state = domain::ReplicaState::pending;
  std::string waits_for;     // why it is not ready, in words
  std::int64_t created = 0;  // unix seconds; 0: not known
};

std::vector<ReplicaSighting> pods_sighted(const WatchedSet::Objects& pods);
std::vector<ReplicaSighting> slices_sighted(const WatchedSet::Objects& slices);
// One sighting a replica. It is ready when a slice says so and its pod is not going; draining when either
// says so.
std::vector<ReplicaSighting> merge(const std::vector<ReplicaSighting>& pods,
                                   const std::vector<ReplicaSighting>& slices);

}  // namespace slipway::kube
