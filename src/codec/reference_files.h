// Where tests find the reference platform's own files, which are not part of this repository:
// $SLIPWAY_REFERENCE, else shared/data/reference beside the checkout. Tests skip loudly without them.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace slipway::codec {

inline std::filesystem::path reference_files() {
  if (const char* named = std::getenv("SLIPWAY_REFERENCE")) return named;
  for (const char* beside : {"/../shared/data/reference", "/../../shared/data/reference"}) {
    const std::filesystem::path path = std::string(SLIPWAY_SOURCE_DIR) + beside;
    if (std::filesystem::exists(path)) return path;
  }
  return {};
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace slipway::codec
