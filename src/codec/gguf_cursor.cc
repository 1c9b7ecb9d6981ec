#include "codec/gguf_cursor.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::codec {

using base::Result;

base::Error gguf_error(std::uint64_t offset, const std::string& what) {
  return base::Error(base::ErrorCode::gguf_corrupt,
                     fmt::format("the GGUF header is wrong at offset {}: {}", offset, what));
}

Result<void> GgufCursor::need(std::uint64_t bytes, const char* what) const {
  if (bytes <= left()) return {};
  if (end_ < source_.size)
    return gguf_error(offset_, fmt::format("{} needs {} bytes, and the header would be larger than {} MiB",
                                           what, bytes, kGgufMaxHeader >> 20));
  return gguf_error(offset_,
                    fmt::format("{} needs {} bytes, but the file ends after {} more", what, bytes, left()));
}

Result<void> GgufCursor::take(std::span<std::byte> out, const char* what) {
  SLIPWAY_RETURN_IF_ERROR(need(out.size(), what));
  while (!out.empty()) {
    const bool inside = offset_ >= buffer_offset_ && offset_ < buffer_offset_ + buffer_.size();
    if (!inside) {
      buffer_.resize(std::min<std::uint64_t>(kGgufBuffer, left()));
      buffer_offset_ = offset_;
      if (auto read = source_.read(offset_, buffer_); !read) {
        buffer_.clear();
        return std::move(read).error();
      }
    }
    const std::size_t at = static_cast<std::size_t>(offset_ - buffer_offset_);
    const std::size_t n = std::min(out.size(), buffer_.size() - at);
    std::memcpy(out.data(), buffer_.data() + at, n);
    out = out.subspan(n);
    offset_ += n;
  }
  return {};
}

Result<std::uint64_t> GgufCursor::length(std::uint64_t max, const char* what) {
  const std::uint64_t start = offset_;
  SLIPWAY_TRY(const std::uint64_t size, number<std::uint64_t>(what));
  if (size > max)
    return gguf_error(start, fmt::format("{} claims {} bytes; at most {} are allowed", what, size, max));
  SLIPWAY_RETURN_IF_ERROR(need(size, what));
  return size;
}

Result<std::string> GgufCursor::text(std::uint64_t max, const char* what) {
  SLIPWAY_TRY(const std::uint64_t size, length(max, what));
  std::string out(size, '\0');
  SLIPWAY_RETURN_IF_ERROR(take(std::as_writable_bytes(std::span(out)), what));
  return out;
}

Result<std::uint64_t> GgufCursor::text_up_to(std::uint64_t keep, std::string& out, const char* what) {
  SLIPWAY_TRY(const std::uint64_t size, length(kGgufMaxString, what));
  if (size > keep) {
    offset_ += size;
    return size;
  }
  out.resize(size);
  SLIPWAY_RETURN_IF_ERROR(take(std::as_writable_bytes(std::span(out)), what));
  return size;
}

Result<std::uint64_t> GgufCursor::skip_text(const char* what) {
  SLIPWAY_TRY(const std::uint64_t size, length(kGgufMaxString, what));
  offset_ += size;
  return size;
}

Result<void> GgufCursor::skip(std::uint64_t bytes, const char* what) {
  SLIPWAY_RETURN_IF_ERROR(need(bytes, what));
  offset_ += bytes;
  return {};
}

}  // namespace slipway::codec
