#include "codec/gguf_keys.h"

#include <fmt/format.h>

namespace slipway::codec {
namespace {

using base::Result;

// The format's numbers for value types.
enum Type : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
  kTypes
};

std::uint64_t size_of(std::uint32_t type) {
  static constexpr std::uint64_t kSizes[kTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kSizes[type];
}

bool is_integer(std::uint32_t type) {
  return type != kF32 && type != kF64 && type != kString && type != kArray;
}

Result<std::uint32_t> read_type(GgufCursor& cursor) {
  const std::uint64_t start = cursor.offset();
  SLIPWAY_TRY(const std::uint32_t type, cursor.number<std::uint32_t>("a value's type"));
  if (type >= kTypes) return gguf_error(start, fmt::format("value type {} does not exist", type));
  return type;
}

using Number = decltype(GgufValue::value);

template <class T, class As>
Result<Number> read_as(GgufCursor& cursor) {
  SLIPWAY_TRY(const T value, cursor.number<T>("a value"));
  return Number(static_cast<As>(value));
}

Result<Number> read_scalar(GgufCursor& cursor, std::uint32_t type) {
  switch (type) {
    case kU8:
      return read_as<std::uint8_t, std::uint64_t>(cursor);
    case kU16:
      return read_as<std::uint16_t, std::uint64_t>(cursor);
    case kU32:
      return read_as<std::uint32_t, std::uint64_t>(cursor);
    case kU64:
      return read_as<std::uint64_t, std::uint64_t>(cursor);
    case kI8:
      return read_as<std::int8_t, std::int64_t>(cursor);
    case kI16:
      return read_as<std::int16_t, std::int64_t>(cursor);
    case kI32:
      return read_as<std::int32_t, std::int64_t>(cursor);
    case kI64:
      return read_as<std::int64_t, std::int64_t>(cursor);
    case kF32:
      return read_as<float, double>(cursor);
    case kF64:
      return read_as<double, double>(cursor);
    default:
      break;
  }
  const std::uint64_t start = cursor.offset();
  SLIPWAY_TRY(const std::uint8_t value, cursor.number<std::uint8_t>("a truth value"));
  if (value > 1) return gguf_error(start, fmt::format("a truth value is {} instead of 0 or 1", value));
  return Number(value == 1);
}

// An integer as unsigned: negative numbers become 2^64 - n, which every limit refuses.
std::uint64_t as_unsigned(const Number& number) {
  if (const auto* u = std::get_if<std::uint64_t>(&number)) return *u;
  if (const auto* i = std::get_if<std::int64_t>(&number)) return static_cast<std::uint64_t>(*i);
  return std::get<bool>(number) ? 1 : 0;
}

Result<GgufArray> read_array(GgufCursor& cursor, int depth) {
  const std::uint64_t start = cursor.offset();
  if (depth > kGgufMaxNesting)
    return gguf_error(start, fmt::format("arrays are nested deeper than {}", kGgufMaxNesting));
  SLIPWAY_TRY(const std::uint32_t type, read_type(cursor));
  GgufArray array;
  SLIPWAY_TRY(array.count, cursor.number<std::uint64_t>("an array's length"));
  if (array.count > kGgufMaxElements)
    return gguf_error(start, fmt::format("an array claims {} elements; at most {} are allowed", array.count,
                                         kGgufMaxElements));
  if (type == kString) {
    for (std::uint64_t i = 0; i < array.count; ++i)
      SLIPWAY_RETURN_IF_ERROR(cursor.skip_text("a string of an array"));
  } else if (type == kArray) {
    for (std::uint64_t i = 0; i < array.count; ++i) SLIPWAY_RETURN_IF_ERROR(read_array(cursor, depth + 1));
  } else if (is_integer(type) && array.count <= kGgufMaxLayers) {
    for (std::uint64_t i = 0; i < array.count; ++i) {
      SLIPWAY_TRY(const Number number, read_scalar(cursor, type));
      array.numbers.push_back(as_unsigned(number));
    }
  } else {
    SLIPWAY_RETURN_IF_ERROR(cursor.skip(array.count * size_of(type), "an array"));
  }
  return array;
}

Result<GgufString> read_string(GgufCursor& cursor) {
  GgufString out;
  SLIPWAY_TRY(out.length, cursor.text_up_to(kGgufKeptString, out.text, "a string value"));
  return out;
}

Result<GgufValue> read_value(GgufCursor& cursor) {
  GgufValue out;
  SLIPWAY_TRY(const std::uint32_t type, read_type(cursor));
  out.offset = cursor.offset();
  if (type == kString) {
    SLIPWAY_TRY(out.value, read_string(cursor));
  } else if (type == kArray) {
    SLIPWAY_TRY(out.value, read_array(cursor, 1));
  } else {
    SLIPWAY_TRY(out.value, read_scalar(cursor, type));
  }
  return out;
}

}  // namespace

Result<GgufKeys> GgufKeys::read(GgufCursor& cursor, std::uint64_t count) {
  GgufKeys keys;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t start = cursor.offset();
    SLIPWAY_TRY(std::string key, cursor.text(kGgufMaxName, "a key"));
    if (key.empty()) return gguf_error(start, "a key is empty");
    SLIPWAY_TRY(GgufValue value, read_value(cursor));
    const auto [at, is_new] = keys.values_.emplace(std::move(key), std::move(value));
    if (!is_new)
      return gguf_error(start, fmt::format("the key '{}' is there twice", at->first.substr(0, 80)));
  }
  return keys;
}

const GgufValue* GgufKeys::find(const std::string& key) const {
  const auto at = values_.find(key);
  return at == values_.end() ? nullptr : &at->second;
}

Result<std::uint32_t> GgufKeys::number(const std::string& key, std::uint32_t max,
                                       std::uint32_t fallback) const {
  const GgufValue* found = find(key);
  if (!found) return fallback;
  if (!std::holds_alternative<std::uint64_t>(found->value) &&
      !std::holds_alternative<std::int64_t>(found->value))
    return gguf_error(found->offset, "'" + key + "' is not a whole number");
  const std::uint64_t value = as_unsigned(found->value);
  if (value > max)
    return gguf_error(found->offset, fmt::format("'{}' is {}; at most {} makes sense", key, value, max));
  return static_cast<std::uint32_t>(value);
}

Result<bool> GgufKeys::boolean(const std::string& key, bool fallback) const {
  const GgufValue* found = find(key);
  if (!found) return fallback;
  if (const bool* value = std::get_if<bool>(&found->value)) return *value;
  return gguf_error(found->offset, "'" + key + "' is not a truth value");
}

Result<std::string> GgufKeys::text(const std::string& key) const {
  const GgufValue* found = find(key);
  if (!found) return std::string();
  if (const auto* value = std::get_if<GgufString>(&found->value)) return value->text;
  return gguf_error(found->offset, "'" + key + "' is not a string");
}

Result<std::uint64_t> GgufKeys::text_length(const std::string& key) const {
  const GgufValue* found = find(key);
  if (!found) return std::uint64_t{0};
  if (const auto* value = std::get_if<GgufString>(&found->value)) return value->length;
  return gguf_error(found->offset, "'" + key + "' is not a string");
}

Result<std::vector<std::uint32_t>> GgufKeys::per_layer(const std::string& key, std::uint32_t max) const {
  const GgufValue* found = find(key);
  std::vector<std::uint32_t> out;
  if (!found) return out;
  const auto* array = std::get_if<GgufArray>(&found->value);
  if (!array) {
    SLIPWAY_TRY(const std::uint32_t value, number(key, max));
    out.push_back(value);
    return out;
  }
  if (array->numbers.size() != array->count)
    return gguf_error(found->offset, fmt::format("'{}' is not a short array of whole numbers", key));
  for (const std::uint64_t value : array->numbers) {
    if (value > max)
      return gguf_error(found->offset,
                        fmt::format("'{}' has the element {}; at most {} makes sense", key, value, max));
    out.push_back(static_cast<std::uint32_t>(value));
  }
  return out;
}

std::uint64_t GgufKeys::array_count(const std::string& key) const {
  const GgufValue* found = find(key);
  const auto* array = found ? std::get_if<GgufArray>(&found->value) : nullptr;
  return array ? array->count : 0;
}

}  // namespace slipway::codec
