#include "codec/tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;

// Offset and length of each field in a head.
struct Field {
  std::size_t at, length;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUser{108, 8}, kGroup{116, 8}, kSize{124, 12}, kTime{136, 12},
    kSum{148, 8}, kKind{156, 1}, kMagic{257, 8}, kPrefix{345, 155};
constexpr std::uint64_t kLargest = (std::uint64_t{1} << 33) - 1;  // 11 octal digits
constexpr std::array<char, 2 * kTarBlock> kZeros{};

void put(std::string& head, Field field, std::string_view text) {
  std::ranges::copy(text.substr(0, field.length), head.begin() + static_cast<std::ptrdiff_t>(field.at));
}

// Octal digits and a final NUL.
void put_number(std::string& head, Field field, std::uint64_t number) {
  put(head, field, fmt::format("{:0{}o}", number, field.length - 1));
}

// What eleven octal digits cannot hold is written as GNU tar does: the number itself, big end first, and the
// field's highest bit set.
void put_size(std::string& head, std::uint64_t size) {
  if (size <= kLargest) return put_number(head, kSize, size);
  std::string field(kSize.length, '\0');
  field.front() = '\x80';
  for (std::size_t i = 0; i < sizeof size; ++i)
    field[kSize.length - 1 - i] = static_cast<char>(size >> (8 * i) & 0xff);
  put(head, kSize, field);
}

// Where a path splits into prefix and name: at a slash; 0 when all of it is the name.
Result<std::size_t> split_of(std::string_view path) {
  if (path.size() <= kName.length) return 0;
  const auto slash = path.find('/', path.size() - kName.length - 1);
  if (slash == std::string_view::npos || slash == 0 || slash > kPrefix.length || slash + 1 == path.size())
    return Error(ErrorCode::bad_value, fmt::format("{} is too long a path for a tar archive", path));
  return slash;
}

}  // namespace

Result<std::string> tar_head(const TarEntry& entry) {
  const std::string path = entry.path + (entry.folder ? "/" : "");
  SLIPWAY_TRY(const std::size_t split, split_of(path));
  std::string head(kTarBlock, '\0');
  put(head, kName, std::string_view(path).substr(split == 0 ? 0 : split + 1));
  put(head, kPrefix, std::string_view(path).substr(0, split));
  put_number(head, kMode, entry.mode);
  put_number(head, kUser, entry.owner);
  put_number(head, kGroup, entry.owner);
  put_size(head, entry.folder ? 0 : entry.size);
  put_number(head, kTime, 0);
  put(head, kKind, entry.folder ? "5" : "0");
  put(head, kMagic, std::string_view("ustar\00000", 8));
  // The sum of all bytes, with spaces where it will stand.
  put(head, kSum, "        ");
  const unsigned sum = std::accumulate(head.begin(), head.end(), 0u, [](unsigned total, char c) {
    return total + static_cast<unsigned char>(c);
  });
  put(head, kSum, fmt::format("{:06o}", sum));
  head[kSum.at + 6] = '\0';
  return head;
}

std::string_view tar_padding(std::uint64_t size) {
  return {kZeros.data(), static_cast<std::size_t>((kTarBlock - size % kTarBlock) % kTarBlock)};
}

std::string_view tar_end() {
  return {kZeros.data(), kZeros.size()};
}

}  // namespace slipway::codec
