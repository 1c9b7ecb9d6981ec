// A bounds-checked, buffered reader over a GgufSource: the only code that touches the file's bytes.
// Every failure names the byte offset. Not thread-safe.
#pragma once

#include <bit>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "codec/gguf.h"

namespace slipway::codec {

static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies in memory");

// gguf_corrupt: "the GGUF header is wrong at offset 24: <what>".
base::Error gguf_error(std::uint64_t offset, const std::string& what);

class GgufCursor {
 public:
  explicit GgufCursor(const GgufSource& source)
      : source_(source), end_(std::min(source.size, kGgufMaxHeader)) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t left() const { return end_ - offset_; }

  template <class T>
    requires std::is_arithmetic_v<T>
  base::Result<T> number(const char* what) {
    std::byte bytes[sizeof(T)];
    SLIPWAY_RETURN_IF_ERROR(take(bytes, what));
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    return value;
  }
  // A length-prefixed string of at most `max` bytes.
  base::Result<std::string> text(std::uint64_t max, const char* what);
  // A length-prefixed string: returns its length, and fills `out` when it is at most `keep` bytes long.
  base::Result<std::uint64_t> text_up_to(std::uint64_t keep, std::string& out, const char* what);
  base::Result<std::uint64_t> skip_text(const char* what);
  base::Result<void> skip(std::uint64_t bytes, const char* what);

 private:
  base::Result<void> need(std::uint64_t bytes, const char* what) const;
  base::Result<void> take(std::span<std::byte> out, const char* what);
  base::Result<std::uint64_t> length(std::uint64_t max, const char* what);

  const GgufSource& source_;
  std::uint64_t end_;
  std::uint64_t offset_ = 0;
  std::vector<std::byte> buffer_;
  std::uint64_t buffer_offset_ = 0;
};

}  // namespace slipway::codec
