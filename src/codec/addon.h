// platform/addons/<name>/addon.yaml: what can be installed in a cluster. The schema is in
// platform/addons/README.md.
//
// Failure: coded errors with place. Pure.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/diagnostic.h"
#include "domain/addon.h"

namespace slipway::codec {

base::Result<domain::Addon> parse_addon(const Source& source);

// Those of the built-in platform files, by wave and name. Parsed at first use.
const std::vector<domain::Addon>& built_in_addons();

}  // namespace slipway::codec
