// Any bytes: read_gguf returns a value or an error, and what passes keeps its promises.
#include <cstdlib>

#include "codec/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::codec;
  const auto info = read_gguf(gguf_source(std::as_bytes(std::span(data, size))));
  if (!info) return 0;
  if (info->tensor_bytes > 0 && info->header_bytes > size) std::abort();
  if (info->layers > kGgufMaxLayers) std::abort();
  if (kv_bytes_per_token(*info, slipway::domain::KvType::f16) > (1ULL << 46)) std::abort();
  return 0;
}
