// The key-value part of a GGUF header: scalars, short strings and short number arrays are kept, the rest is
// walked.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "codec/gguf_cursor.h"

namespace slipway::codec {

inline constexpr std::uint64_t kGgufKeptString = 1'024;

struct GgufString {
  std::string text;  // empty when longer than kGgufKeptString
  std::uint64_t length = 0;
};
struct GgufArray {
  std::uint64_t count = 0;
  std::vector<std::uint64_t> numbers;  // of integer arrays up to kGgufMaxLayers elements
};
struct GgufValue {
  std::variant<std::uint64_t, std::int64_t, double, bool, GgufString, GgufArray> value;
  std::uint64_t offset = 0;
};

class GgufKeys {
 public:
  static base::Result<GgufKeys> read(GgufCursor& cursor, std::uint64_t count);

  bool has(const std::string& key) const { return values_.contains(key); }
  // The getters return the default for an absent key and gguf_corrupt for one of another type or above `max`.
  base::Result<std::uint32_t> number(const std::string& key, std::uint32_t max,
                                     std::uint32_t fallback = 0) const;
  base::Result<bool> boolean(const std::string& key, bool fallback) const;
  base::Result<std::string> text(const std::string& key) const;
  base::Result<std::uint64_t> text_length(const std::string& key) const;
  // A number, or an array with one number a layer.
  base::Result<std::vector<std::uint32_t>> per_layer(const std::string& key, std::uint32_t max) const;
  std::uint64_t array_count(const std::string& key) const;

 private:
  const GgufValue* find(const std::string& key) const;
  std::map<std::string, GgufValue> values_;
};

}  // namespace slipway::codec
