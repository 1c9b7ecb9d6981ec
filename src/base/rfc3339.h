// Reading the times that other programs write (to_rfc3339 in base/time.h writes ours). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace slipway::base {

// Unix seconds of "2026-11-24T06:55:01Z" or "2026-11-24T07:55:01.5+01:00", fractions dropped; nothing for any
// other form.
std::optional<std::int64_t> from_rfc3339(std::string_view text);

}  // namespace slipway::base
