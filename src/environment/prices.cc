#include "environment/prices.h"

#include <fmt/format.h>

#include "codec/price_list.h"

namespace slipway::environment {

namespace fs = std::filesystem;

fs::path prices_file(const io::Paths& paths, const std::string& region) {
  return paths.data / "prices" / (region + ".json");
}

base::Result<domain::PriceList> prices_of(const io::Paths& paths, const std::string& region) {
  domain::PriceList out = codec::built_in_prices();
  const fs::path file = prices_file(paths, region);
  std::error_code ignored;
  if (region.empty() || !fs::exists(file, ignored)) return out;
  SLIPWAY_TRY(const std::string text, io::read_file(file));
  if (auto read = codec::parse_regional_prices({file.string(), text}, out); !read)
    return std::move(read).error().with_next(
        fmt::format("Run `slipway prices refresh --region {}`, or delete the file.", region));
  return out;
}

base::Result<void> keep_prices(const io::Paths& paths, const domain::PriceList& list) {
  const fs::path file = prices_file(paths, list.region);
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(file.parent_path()));
  return io::write_file_atomic(file, codec::regional_prices(list), 0644);
}

}  // namespace slipway::environment
