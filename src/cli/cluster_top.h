// `slipway top` on a cluster: two looks at the replicas' own metrics, and what happened between them.
#pragma once

#include "cli/output.h"
#include "cli/verb.h"
#include "environment/model_metrics.h"

namespace slipway::cli {

// **top** of docs/control-api.md with null for what is not known, and "not_read": replicas that could not be
// asked. A rate is over the replicas that are in both looks and were not started anew between them. Pure.
Json top_between(const environment::MetricsLook& before, const environment::MetricsLook& now,
                 base::WallTime at);

}  // namespace slipway::cli
