// The values of add-ons name Terraform's outputs and the blueprint's variables as ${lower_case}
// (codec/placeholders.h): what those are for one environment. Pure.
#pragma once

#include "codec/json_view.h"
#include "codec/placeholders.h"
#include "domain/blueprint.h"

namespace slipway::environment {

using codec::Json;

// What ${name} stands for: a text as it is, anything else as JSON, which is YAML. Outputs win over variables
// of the same name.
codec::Facts placeholders(const domain::Blueprint& blueprint, const Json& outputs);

// The limits of each node pool that is on, by the pool's name, from the blueprint's totals.
Json pool_limits(const domain::Cluster& cluster);

}  // namespace slipway::environment
