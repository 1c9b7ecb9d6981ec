// CHECK for programmer errors: on in release, prints the place and the condition, aborts. Never for input.
#pragma once

namespace slipway::base {
[[noreturn]] void check_failed(const char* file, int line, const char* condition);
}

#define SLIPWAY_CHECK(condition) \
  (static_cast<bool>(condition) ? void() : ::slipway::base::check_failed(__FILE__, __LINE__, #condition))
