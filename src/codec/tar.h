// Tar archives (POSIX ustar), written piece by piece, so that content of any size passes through without
// being held: a head, the content, padding; at the end two empty blocks.
//
// Times are 0 and owners are numbers, so that the same content makes the same bytes. A size beyond 8 GiB is
// written as GNU tar writes it, which the readers of today know. Pure. Failure: bad_value for what a ustar
// head cannot hold (a path beyond 255 bytes).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::codec {

inline constexpr std::size_t kTarBlock = 512;

struct TarEntry {
  std::string path;  // "usr/bin/slipway": relative, without a final slash
  bool folder = false;
  unsigned mode = 0644;
  unsigned owner = 0;      // user and group
  std::uint64_t size = 0;  // of a file
};

// 512 bytes.
base::Result<std::string> tar_head(const TarEntry& entry);
// What follows the content, up to the next block.
std::string_view tar_padding(std::uint64_t size);
std::string_view tar_end();

}  // namespace slipway::codec
