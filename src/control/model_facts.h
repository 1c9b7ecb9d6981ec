// A model of this machine as the facts that policy::causes reads, from its **model** of docs/control-api.md:
// the daemon's own knowledge of each replica's state, last end, progress and last lines. Pure.
#pragma once

#include "codec/json_view.h"
#include "domain/model_facts.h"

namespace slipway::control {

domain::ModelFacts model_facts(const codec::Json& model);

}  // namespace slipway::control
