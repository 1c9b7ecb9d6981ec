// Bytes received and not used yet, of one connection. Grows on demand and never moves by itself: views into
// it stay valid until the next append() or consume(). Gives its memory back when it held much.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace slipway::io {

class HttpBuffer {
 public:
  static constexpr std::size_t kKeep = 4096;  // an idle connection holds at most this

  std::string_view view() const { return {data_.get(), size_}; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }

  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    reserve(size_ + bytes.size());
    std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void reserve(std::size_t wanted) {
    if (wanted <= capacity_) return;
    const std::size_t capacity = std::max<std::size_t>({512, wanted, capacity_ * 2});
    auto data = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(data.get(), data_.get(), size_);
    data_ = std::move(data);
    capacity_ = capacity;
  }
  // Room behind the bytes, for reading in place; then grow() by what came.
  std::span<char> room() { return {data_.get() + size_, capacity_ - size_}; }
  void grow(std::size_t n) { size_ += n; }
  // Drops the first n bytes.
  void consume(std::size_t n) {
    size_ -= n;
    if (size_ > 0) std::memmove(data_.get(), data_.get() + n, size_);
    if (size_ == 0 && capacity_ > kKeep) {
      data_.reset();
      capacity_ = 0;
    }
  }

 private:
  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace slipway::io
