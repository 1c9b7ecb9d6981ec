#include "codec/platform_files.h"

#include <algorithm>

#include "base/check.h"

#pragma clang diagnostic ignored "-Wc23-extensions"  // #embed is C23; clang has it in C++ too

namespace slipway::codec {
namespace {

#include "platform_files.inc"  // made by cmake/platform_files.cmake: kFiles

}  // namespace

std::span<const PlatformFile> platform_files() {
  return kFiles;
}

std::vector<PlatformFile> platform_files_in(std::string_view folder) {
  std::vector<PlatformFile> out;
  for (const PlatformFile& file : kFiles)
    if (file.path.starts_with(folder)) out.push_back(file);
  return out;
}

std::string_view platform_file(std::string_view path) {
  const auto* found = std::ranges::find(kFiles, path, &PlatformFile::path);
  SLIPWAY_CHECK(found != std::end(kFiles));
  return found->text;
}

}  // namespace slipway::codec
