// The files of platform/, put into the binary by the compiler: Terraform, charts, add-ons, catalogues.
//
// One program carries everything that it hands to other systems, so that `slipway up` needs no checkout.
// cmake/platform_files.cmake lists them. Constant data; threads: any.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace slipway::codec {

struct PlatformFile {
  std::string_view path;  // below platform/: "terraform/network.tf"
  std::string_view text;
};
// In the order of their paths.
std::span<const PlatformFile> platform_files();
// Those below a folder: "terraform/".
std::vector<PlatformFile> platform_files_in(std::string_view folder);
// One file; a path that is not there is a programmer error.
std::string_view platform_file(std::string_view path);

}  // namespace slipway::codec
