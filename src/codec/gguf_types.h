// Tables of the GGUF format: tensor types with their block sizes, file types by name (ggml/include/ggml.h,
// llama.h).
#pragma once

#include <cstdint>
#include <string_view>

namespace slipway::codec {

// A tensor of this type stores `block` elements in `bytes` bytes.
struct TensorType {
  std::uint32_t id;
  std::string_view name;
  std::uint32_t block;
  std::uint32_t bytes;
};
const TensorType* find_tensor_type(std::uint32_t id);  // nullptr: unknown or removed from the format

std::string_view file_type_name(std::uint64_t id);  // "unknown" when not in the table

}  // namespace slipway::codec
