// The API's objects as the facts that policy/cause reads. Ages are counted at `now`. Missing and mistyped
// fields are empty facts, never failures. Pure.
// Sources: core/v1, apps/v1, leaderworkerset.x-k8s.io/v1, ray.io/v1 and karpenter.sh/v1 of their projects.
#pragma once

#include <string_view>
#include <vector>

#include "base/time.h"
#include "codec/json_view.h"
#include "domain/model_facts.h"

namespace slipway::kube {

using codec::Json;

// Seconds since an RFC 3339 time; 0 for what is none.
double age_of(std::string_view time, base::WallTime now);
// Without events and logs: those are other objects.
domain::PodFact pod_fact(const Json& pod, base::WallTime now);
// Of the list `events`, those about one object, newest first.
std::vector<domain::EventFact> events_about(const Json& events, std::string_view kind, std::string_view name,
                                            base::WallTime now);
// Deployment, ReplicaSet, StatefulSet, LeaderWorkerSet, RayService: `wanted` is pods of them, negative where
// the object does not say. Without events.
domain::OwnerFact owner_fact(const Json& object);
domain::ClaimFact claim_fact(const Json& claim);
domain::NodeClaimFact node_claim_fact(const Json& claim);
domain::NodeFact node_fact(const Json& node);
// A log that was asked for with timestamps=true.
void add_log(domain::ContainerFact& container, std::string_view log, base::WallTime now);

}  // namespace slipway::kube
