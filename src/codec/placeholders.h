// "${cluster_name}" in the files of platform/addons, replaced by what an environment's Terraform outputs and
// blueprint say. "$${x}" stands for the text "${x}". Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/diagnostic.h"

namespace slipway::codec {

using Facts = std::map<std::string, std::string, std::less<>>;

// bad_value with place for a placeholder that `facts` does not have. `keep_unknown`: leave it as it stands.
base::Result<std::string> fill_placeholders(const Source& source, const Facts& facts,
                                            bool keep_unknown = false);

}  // namespace slipway::codec
