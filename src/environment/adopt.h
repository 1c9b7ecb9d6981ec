// What a run made and could not write down any more (Terraform killed between making a resource and saving
// its state) exists without Terraform knowing it: it is found by name and tag, and imported.
#pragma once

#include "base/result.h"
#include "cloud/terraform.h"
#include "environment/session.h"

namespace slipway::environment {

// Imports each planned resource whose creation failed because it is there, if it is this environment's.
// True when something was imported. name_conflict: it is there and is somebody else's.
base::Result<bool> adopt_existing(Session& session, const cloud::Change& change);

// The id of a part of the cluster or of a route table, from its planned attributes; empty for other types.
std::string id_of_parts(const std::string& type, const cloud::Json& planned);

}  // namespace slipway::environment
