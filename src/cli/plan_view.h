// An environment's plan as words and as JSON.
#pragma once

#include <string>

#include "cli/console.h"
#include "cli/output.h"
#include "environment/plan.h"

namespace slipway::cli {

std::string plan_text(const Console& console, const environment::Plan& plan);
Json plan_json(const environment::Plan& plan);  // docs/json-output.md

}  // namespace slipway::cli
