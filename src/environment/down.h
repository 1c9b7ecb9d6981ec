// Takes an environment away, and proves it: inventory, what lives in the cluster, Terraform, sweep by tag,
// state store, inventory again, receipt.
//
// Order: what controllers made goes while they live; with a dead API the cloud side is cleared around it.
// What they left is deleted before Terraform, which would wait for minutes for each thing that it stands on.
// Works without Terraform's state too (the sweep knows every type). Idempotent: killed anywhere, run again.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "cloud/inventory.h"
#include "domain/blueprint.h"
#include "domain/price.h"
#include "environment/session.h"

namespace slipway::environment {

struct DownInput {
  const domain::Blueprint& blueprint;
  const domain::PriceList& prices;
  std::string kubernetes_version;
  const cloud::Inventory& before;  // what was shown and agreed to
};

// The receipt. Things that stay make it say so; the caller turns that into `leftovers`.
base::Result<Json> down(Session& session, const DownInput& input);

// Items as rows: {service, type, id, name, state, usd_month}.
Json inventory_json(const cloud::Inventory& inventory);

// Parts of down(), each of clear.cc.
base::Result<void> clear_cluster(Session& session, const domain::Blueprint& blueprint);  // its API answers
base::Result<void> revoke_nodes(Session& session);                                       // it does not
base::Result<void> clear_orphans(Session& session, const DownInput& input);

}  // namespace slipway::environment
