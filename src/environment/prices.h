// The prices that a plan multiplies: a region's own, once `slipway prices refresh` asked for them, else the
// built-in list. <data>/prices/<region>.json. Blocking; threads: any.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "domain/price.h"
#include "io/files.h"

namespace slipway::environment {

std::filesystem::path prices_file(const io::Paths& paths, const std::string& region);
// Failure: bad_value when the region's file is broken, io_failed.
base::Result<domain::PriceList> prices_of(const io::Paths& paths, const std::string& region);
base::Result<void> keep_prices(const io::Paths& paths, const domain::PriceList& list);

}  // namespace slipway::environment
