// What a request body may cost before anybody asks what it means. Plain numbers; every parser of request
// bodies takes them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace slipway::codec {

struct JsonLimits {
  std::size_t max_bytes = 4u << 20;
  std::size_t max_depth = 64;  // a JSON schema nests deeper than a conversation
  std::size_t max_keys = 128;  // top-level keys
  std::int64_t max_n = 16;
  std::size_t max_stop = 16;
};

}  // namespace slipway::codec
