#include "control/record.h"

#include <unistd.h>

namespace slipway::control {

using nlohmann::json;

namespace {

json asked_json(const Asked& asked) {
  json out{{"source", asked.source}};
  if (!asked.name.empty()) out["name"] = asked.name;
  if (!asked.values.empty()) out["values"] = store::audit_hash(asked.values);
  if (asked.replicas) out["replicas"] = *asked.replicas;
  return out;
}

}  // namespace

store::AuditEntry deploy_entry(const store::Actor& by, const std::string& id, const Asked& asked,
                               std::string_view outcome) {
  return {.at = base::wall_now(),
          .by = by,
          .action = "deploy",
          .subject = id,
          .details = asked_json(asked),
          .outcome = std::string(outcome)};
}

store::AuditEntry undeploy_entry(const store::Actor& by, const std::string& id, std::string_view outcome) {
  return {
      .at = base::wall_now(), .by = by, .action = "undeploy", .subject = id, .outcome = std::string(outcome)};
}

store::AuditEntry start_entry(const std::string& environment, const domain::Blueprint& blueprint,
                              const std::string& url, std::span<const Asked> models) {
  json details{{"version", SLIPWAY_VERSION}, {"gateway", url}, {"models", json::array()}};
  if (!blueprint.source.empty()) details["blueprint"] = blueprint.source;
  for (const Asked& asked : models) details["models"].push_back(asked_json(asked));
  return {.at = base::wall_now(),
          .by = {.via = "daemon", .uid = ::getuid(), .pid = ::getpid()},
          .action = "start",
          .subject = environment,
          .details = std::move(details)};
}

store::AuditEntry down_entry(const store::Actor& by, const std::string& environment,
                             std::string_view outcome) {
  return {.at = base::wall_now(),
          .by = by,
          .action = "down",
          .subject = environment,
          .outcome = std::string(outcome)};
}

}  // namespace slipway::control
