// What the control room writes into the audit log (store/audit.h). Values files may hold secrets in `env`:
// they are recorded as their hash. Pure but for the time of day.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "control/resolve.h"
#include "domain/blueprint.h"
#include "store/audit.h"

namespace slipway::control {

store::AuditEntry deploy_entry(const store::Actor& by, const std::string& id, const Asked& asked,
                               std::string_view outcome);
store::AuditEntry undeploy_entry(const store::Actor& by, const std::string& id, std::string_view outcome);
// The daemon begins: with which blueprint, where it listens, and the models that it was told to start.
store::AuditEntry start_entry(const std::string& environment, const domain::Blueprint& blueprint,
                              const std::string& url, std::span<const Asked> models);
store::AuditEntry down_entry(const store::Actor& by, const std::string& environment,
                             std::string_view outcome);

}  // namespace slipway::control
