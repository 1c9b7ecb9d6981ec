// Prices of one region from AWS's price list API (pricing:GetProducts), over the ones that are built in.
//
// A product's usage type is "<region code>-<name>", or the name alone in us-east-1. Of a product with tiers
// the first that costs something counts. The parts without a call are pure; threads: main.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cloud/aws.h"
#include "domain/price.h"

namespace slipway::cloud {

// Where the API answers for the regions of the partition "aws".
inline constexpr std::string_view kPriceApiRegion = "us-east-1";

struct PriceAnswer {
  domain::PriceList list;         // of the region; units that AWS did not name keep their old price
  std::vector<std::string> kept;  // names of those units
  int instance_types = 0;         // with a price of this region
};

// `aws` must be of kPriceApiRegion. `base`: shapes of instance types and units; types that the region does
// not have lose their price. Failure: see aws_error.h; bad_value when AWS knows no prices of `region`.
base::Result<PriceAnswer> fetch_prices(Aws& aws, const std::string& region, const domain::PriceList& base,
                                       const std::string& today);

// One question, and what its answer gives.
struct PriceQuestion {
  std::string service;  // "AmazonEC2"
  std::vector<std::pair<std::string, std::string>> filters;
};
std::span<const PriceQuestion> price_questions();
// Takes every price that a question's answer has; says which units and how many instance types it found.
struct PricesFound {
  std::vector<std::string> units;
  int instance_types = 0;
};
PricesFound take_prices(const PriceQuestion& question, const Json& answer, domain::PriceList& list);

}  // namespace slipway::cloud
