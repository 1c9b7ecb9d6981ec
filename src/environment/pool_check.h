// Proof that each node pool really starts nodes: one small pod a pool, until it is ready, then gone again.
//
// A pool of accelerators is asked for one of them, so that its device plugin is proven too. Costs a node of
// each pool for as long as it lives. Threads: main. Failure: addon_failed with what the pod waits for.
#pragma once

#include <string>

#include "base/result.h"
#include "environment/session.h"

namespace slipway::environment {

// Of every NodePool in the cluster that Slipway made; each is a step of the journal.
base::Result<Json> check_pools(Session& session);

// The pod for one of them. Pure.
Json pool_check_pod(const Json& node_pool);

}  // namespace slipway::environment
