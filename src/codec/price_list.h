// The price list and the facts about EKS that are built into the binary (platform/catalog), read into domain
// values.
//
// Failure: coded errors with place for the YAML files, bad_value naming the file for the instance types. The
// built-in files are checked once: a broken one is a programmer error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/diagnostic.h"
#include "domain/price.h"

namespace slipway::codec {

// prices.yaml, without instance types.
base::Result<domain::PriceList> parse_prices(const Source& source);
// ec2-instance-types.json into `list`.
base::Result<void> parse_instance_types(const Source& source, domain::PriceList& list);
base::Result<domain::EksFacts> parse_eks_facts(const Source& source);

// A region's own prices as a file: {"region", "date", "units": {name: {"usd", "source"}},
// "instance_types": {name: usd an hour}}.
std::string regional_prices(const domain::PriceList& list);
// Over `list`: units it names get their price; instance types it does not name lose theirs.
base::Result<void> parse_regional_prices(const Source& source, domain::PriceList& list);

// Parsed at first use.
const domain::PriceList& built_in_prices();
const domain::EksFacts& built_in_eks_facts();

}  // namespace slipway::codec
