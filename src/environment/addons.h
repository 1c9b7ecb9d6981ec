// Add-ons in a cluster: installing one with everything it needs, and taking it away again.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "domain/addon.h"
#include "environment/placeholders.h"
#include "environment/session.h"

namespace slipway::environment {

// What will be applied for one add-on, filled in.
struct AddonFiles {
  std::string name_space;              // manifests of its namespace; may be empty
  std::string values;                  // of Helm
  std::vector<std::string> manifests;  // texts of ours
  std::vector<std::string> urls;       // of others
  Json secrets;                        // secrets.yaml; null without
  std::string digest() const;          // changes when anything of it does
};
base::Result<AddonFiles> addon_files(const domain::Addon& addon, const codec::Facts& values);

// In waves; each add-on is one or two steps of the journal, skipped while what was installed is the same and
// healthy. `addons` by wave.
base::Result<void> install_addons(Session& session, const std::vector<domain::Addon>& addons,
                                  const codec::Facts& values);
// Health of each, for the verification at the end.
base::Result<Json> verify_addons(Session& session, const std::vector<domain::Addon>& addons);
base::Result<void> remove_addon(Session& session, const domain::Addon& addon);

}  // namespace slipway::environment
