#include "codec/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>

#include "codec/gguf_cursor.h"
#include "codec/gguf_keys.h"
#include "codec/gguf_types.h"

namespace slipway::codec {
namespace {

using base::Result;

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint32_t kDefaultAlignment = 32;
constexpr std::uint32_t kMaxAlignment = 1u << 20;
constexpr std::uint64_t kMaxTensorName = 63;
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::uint32_t kMaxHeads = 65'536;
constexpr std::uint32_t kMaxWidth = 1u << 24;  // of an embedding or a vocabulary

Result<std::uint64_t> read_count(GgufCursor& cursor, std::uint64_t max, const char* what) {
  const std::uint64_t start = cursor.offset();
  SLIPWAY_TRY(const std::uint64_t count, cursor.number<std::uint64_t>(what));
  if (count > max)
    return gguf_error(start, fmt::format("{} is {}; at most {} are allowed", what, count, max));
  return count;
}

Result<void> read_preamble(GgufCursor& cursor, GgufInfo& info) {
  SLIPWAY_TRY(const std::uint32_t magic, cursor.number<std::uint32_t>("the magic"));
  if (magic != kMagic)
    return gguf_error(0, fmt::format("it does not begin with 'GGUF' but with 0x{:08x}", magic));
  SLIPWAY_TRY(info.version, cursor.number<std::uint32_t>("the version"));
  if (std::byteswap(info.version) == 2 || std::byteswap(info.version) == 3)
    return gguf_error(4, "the file is big-endian, which is not supported");
  if (info.version != 2 && info.version != 3)
    return gguf_error(4, fmt::format("version {} is not supported; 2 and 3 are", info.version));
  SLIPWAY_TRY(info.tensor_count, read_count(cursor, kGgufMaxTensors, "the number of tensors"));
  SLIPWAY_TRY(info.key_count, read_count(cursor, kGgufMaxKeys, "the number of keys"));
  return {};
}

struct Tensor {
  std::string name;
  std::uint64_t start = 0;  // of its description in the header
  std::uint64_t elements = 1;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;  // from the start of the tensor data
};

Result<void> read_shape(GgufCursor& cursor, Tensor& tensor, std::uint64_t& row) {
  SLIPWAY_TRY(const std::uint32_t dimensions,
              cursor.number<std::uint32_t>("a tensor's number of dimensions"));
  if (dimensions > kMaxDimensions)
    return gguf_error(tensor.start, fmt::format("tensor '{}' has {} dimensions; at most {} are allowed",
                                                tensor.name, dimensions, kMaxDimensions));
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    SLIPWAY_TRY(const std::uint64_t size, cursor.number<std::uint64_t>("a tensor's dimension"));
    if (i == 0) row = size;
    if (size == 0 || size > INT64_MAX || __builtin_mul_overflow(tensor.elements, size, &tensor.elements) ||
        tensor.elements > INT64_MAX)
      return gguf_error(tensor.start,
                        fmt::format("tensor '{}' has the impossible dimension {}", tensor.name, size));
  }
  return {};
}

Result<Tensor> read_tensor(GgufCursor& cursor) {
  Tensor tensor;
  tensor.start = cursor.offset();
  SLIPWAY_TRY(tensor.name, cursor.text(kMaxTensorName, "a tensor's name"));
  std::uint64_t row = 1;
  SLIPWAY_RETURN_IF_ERROR(read_shape(cursor, tensor, row));
  SLIPWAY_TRY(const std::uint32_t id, cursor.number<std::uint32_t>("a tensor's type"));
  const TensorType* type = find_tensor_type(id);
  if (!type)
    return gguf_error(tensor.start, fmt::format("tensor '{}' has the unknown type {}", tensor.name, id));
  if (row % type->block != 0)
    return gguf_error(tensor.start,
                      fmt::format("tensor '{}' has rows of {} elements, not a multiple of {}'s block of {}",
                                  tensor.name, row, type->name, type->block));
  if (__builtin_mul_overflow(tensor.elements / type->block, std::uint64_t{type->bytes}, &tensor.bytes))
    return gguf_error(tensor.start, fmt::format("the size of tensor '{}' overflows", tensor.name));
  SLIPWAY_TRY(tensor.offset, cursor.number<std::uint64_t>("a tensor's offset"));
  return tensor;
}

Result<void> check_inside(const Tensor& tensor, std::uint64_t data_bytes, std::uint32_t alignment) {
  if (tensor.offset % alignment != 0)
    return gguf_error(tensor.start, fmt::format("tensor '{}' starts at {}, which is not a multiple of {}",
                                                tensor.name, tensor.offset, alignment));
  if (tensor.offset > data_bytes || tensor.bytes > data_bytes - tensor.offset)
    return gguf_error(
        tensor.start,
        fmt::format("tensor '{}' needs {} bytes from {} of the tensor data, but the file has only {}",
                    tensor.name, tensor.bytes, tensor.offset, data_bytes));
  return {};
}

Result<void> read_tensors(GgufCursor& cursor, std::uint64_t file_bytes, std::uint32_t alignment,
                          GgufInfo& info) {
  std::vector<Tensor> tensors;
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < info.tensor_count; ++i) {
    SLIPWAY_TRY(Tensor tensor, read_tensor(cursor));
    if (!names.insert(tensor.name).second)
      return gguf_error(tensor.start, fmt::format("the tensor '{}' is there twice", tensor.name));
    tensors.push_back(std::move(tensor));
  }
  info.header_bytes = (cursor.offset() + alignment - 1) / alignment * alignment;
  const std::uint64_t data_bytes = file_bytes > info.header_bytes ? file_bytes - info.header_bytes : 0;
  for (const Tensor& tensor : tensors) {
    SLIPWAY_RETURN_IF_ERROR(check_inside(tensor, data_bytes, alignment));
    if (__builtin_add_overflow(info.tensor_bytes, tensor.bytes, &info.tensor_bytes) ||
        __builtin_add_overflow(info.parameters, tensor.elements, &info.parameters))
      return gguf_error(tensor.start, "the sizes of the tensors overflow");
  }
  return {};
}

Result<std::uint32_t> read_alignment(const GgufKeys& keys) {
  SLIPWAY_TRY(const std::uint32_t alignment,
              keys.number("general.alignment", kMaxAlignment, kDefaultAlignment));
  if (!std::has_single_bit(alignment))
    return gguf_error(0, fmt::format("general.alignment is {}, not a power of two", alignment));
  return alignment;
}

Result<void> interpret_general(const GgufKeys& keys, GgufInfo& info) {
  SLIPWAY_TRY(info.architecture, keys.text("general.architecture"));
  if (info.architecture.empty()) return gguf_error(0, "the key 'general.architecture' is missing");
  SLIPWAY_TRY(info.name, keys.text("general.name"));
  SLIPWAY_TRY(const std::uint32_t file_type, keys.number("general.file_type", UINT32_MAX, UINT32_MAX));
  info.file_type = file_type_name(file_type & ~1024u);  // 1024: "guessed", see llama.h
  SLIPWAY_TRY(info.split_count, keys.number("split.count", 65'535));
  SLIPWAY_TRY(info.chat_template_bytes, keys.text_length("tokenizer.chat_template"));
  return {};
}

Result<void> interpret_shape(const GgufKeys& keys, GgufInfo& info) {
  const std::string prefix = info.architecture + ".";
  SLIPWAY_TRY(info.layers, keys.number(prefix + "block_count", kGgufMaxLayers));
  SLIPWAY_TRY(info.context_length, keys.number(prefix + "context_length", INT32_MAX));
  SLIPWAY_TRY(info.embedding_length, keys.number(prefix + "embedding_length", kMaxWidth));
  SLIPWAY_TRY(info.heads, keys.per_layer(prefix + "attention.head_count", kMaxHeads));
  SLIPWAY_TRY(info.kv_heads, keys.per_layer(prefix + "attention.head_count_kv", kMaxHeads));
  SLIPWAY_TRY(info.key_length, keys.number(prefix + "attention.key_length", kMaxHeads));
  SLIPWAY_TRY(info.value_length, keys.number(prefix + "attention.value_length", kMaxHeads));
  SLIPWAY_TRY(info.sliding_window, keys.number(prefix + "attention.sliding_window", INT32_MAX));
  SLIPWAY_TRY(info.causal, keys.boolean(prefix + "attention.causal", true));
  SLIPWAY_TRY(const std::uint32_t stated, keys.number(prefix + "vocab_size", kMaxWidth));
  info.vocabulary = std::max(stated, static_cast<std::uint32_t>(keys.array_count("tokenizer.ggml.tokens")));
  SLIPWAY_TRY(const std::uint32_t pooling, keys.number(prefix + "pooling_type", UINT32_MAX));
  info.has_pooling = pooling != 0;
  return {};
}

// The value for a layer of a field that has one entry, or one a layer; 0 when the file does not say.
std::uint64_t of_layer(const std::vector<std::uint32_t>& values, std::uint32_t layer) {
  if (values.size() == 1) return values.front();
  return layer < values.size() ? values[layer] : 0;
}

}  // namespace

GgufSource gguf_source(std::span<const std::byte> bytes) {
  return {.size = bytes.size(),
          .read = [bytes](std::uint64_t offset, std::span<std::byte> out) -> Result<void> {
            std::ranges::copy(bytes.subspan(offset, out.size()), out.begin());
            return {};
          }};
}

Result<GgufInfo> read_gguf(const GgufSource& source) {
  GgufInfo info;
  GgufCursor cursor(source);
  SLIPWAY_RETURN_IF_ERROR(read_preamble(cursor, info));
  SLIPWAY_TRY(const GgufKeys keys, GgufKeys::read(cursor, info.key_count));
  SLIPWAY_TRY(const std::uint32_t alignment, read_alignment(keys));
  SLIPWAY_RETURN_IF_ERROR(interpret_general(keys, info));
  SLIPWAY_RETURN_IF_ERROR(interpret_shape(keys, info));
  SLIPWAY_RETURN_IF_ERROR(read_tensors(cursor, source.size, alignment, info));
  return info;
}

std::uint64_t kv_bytes_per_token(const GgufInfo& info, domain::KvType type) {
  if (!info.causal) return 0;
  std::uint64_t elements = 0;
  for (std::uint32_t layer = 0; layer < info.layers; ++layer) {
    const std::uint64_t heads = of_layer(info.heads, layer);
    const std::uint64_t kv_heads = info.kv_heads.empty() ? heads : of_layer(info.kv_heads, layer);
    const std::uint64_t width = heads ? info.embedding_length / heads : 0;
    elements += kv_heads * ((info.key_length ? info.key_length : width) +
                            (info.value_length ? info.value_length : width));
  }
  // q8_0 stores 32 elements as 32 bytes and one f16 scale.
  return type == domain::KvType::f16 ? elements * 2 : elements / 32 * 34 + (elements % 32 ? 34 : 0);
}

domain::ModelTask task_of(const GgufInfo& info) {
  if (!info.causal || info.has_pooling) return domain::ModelTask::embedding;
  return info.chat_template_bytes > 0 ? domain::ModelTask::chat : domain::ModelTask::base;
}

}  // namespace slipway::codec
