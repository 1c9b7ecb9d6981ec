// What an environment's tools read, written from the program into its folder: Terraform with its variables
// and backend, charts, add-ons; and Terraform's state in S3 when the blueprint asks for it.
#pragma once

#include <string>

#include "base/result.h"
#include "domain/blueprint.h"
#include "environment/session.h"

namespace slipway::environment {

// The bucket of an environment's state: one an environment, account and region.
std::string state_bucket(const std::string& name, const std::string& account, const std::string& region);

// Writes everything; what another version left is removed, *_override.tf of a person stays.
base::Result<Json> write_platform(const Session& session, const domain::Blueprint& blueprint,
                                  const std::string& kubernetes_version);

// Makes the state's key and bucket where they are not there. Two steps of the journal.
base::Result<void> make_state_store(Session& session);

}  // namespace slipway::environment
