// What a request body may cost before anybody asks what it means. Plain numbers; every parser of request
// bodies takes them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace slipway::codec {

struct JsonLimits {
  std::size_t max_bytes = 4u << 20;
  int max_depth = 64;          // a JSON schema nests deeper than a conversation
  std::size_t max_keys = 128;  // top-level keys
  std::size_t max_values =
      1u << 20;  // values in the whole body (a prompt of token ids is an array of numbers)
  std::int64_t max_n = 16;
  std::size_t max_stop = 16;
};

}  // namespace slipway::codec
