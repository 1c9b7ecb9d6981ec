// Brings an environment up, or to what its blueprint now says: files, state store, Terraform, kubeconfig,
// add-ons by wave, verification. Every step is in the journal; run again after anything, it goes on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/addon.h"
#include "domain/blueprint.h"
#include "environment/plan.h"
#include "environment/session.h"

namespace slipway::environment {

struct UpInput {
  const domain::Blueprint& blueprint;
  std::string blueprint_text;  // kept with the flags, so that `down NAME` needs no file
  std::string flags;           // "NAME=VALUE" lines
  const Plan& plan;
  std::string slipway_version;
  bool reach_promised = false;
  bool check_pools = false;  // start a pod on every node pool at the end
  // Asked once the difference is known and before anything is changed; false: nothing happens.
  std::function<base::Result<bool>(const cloud::Change&)> agree;
};

// The receipt: what was done, outputs, add-ons. Null when `agree` said no.
base::Result<Json> up(Session& session, const UpInput& input);

// The difference that Terraform sees, without changing anything in the account.
base::Result<cloud::Change> difference(Session& session, const UpInput& input);

Json change_json(const cloud::Change& change);

}  // namespace slipway::environment
