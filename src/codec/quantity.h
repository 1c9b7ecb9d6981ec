// Kubernetes quantities: "500m", "1.5", "60G", "2Gi" (resource.Quantity of the Kubernetes API). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace slipway::codec {

// Thousandths of a unit: "500m" = 500, "2" = 2000. Nothing for what is no quantity or beyond 64 bits.
std::optional<std::int64_t> quantity_milli(std::string_view text);
// Whole units, rounded down: "2Gi" = 2147483648.
std::optional<std::int64_t> quantity(std::string_view text);

}  // namespace slipway::codec
