// A container image made without Docker: one program of ours with the shared libraries it needs, as an OCI
// archive (an image layout in a tar, codec/oci_image.h).
//
// In it: /usr/bin/NAME, the dynamic loader at its place and every library in the folder of libc, name
// resolution (nsswitch.conf, glibc's modules for files and DNS), this machine's certificate authorities, the
// user nonroot (65532) and a /tmp. No shell, no package manager. The same input makes the same bytes: times
// are 0, entries are sorted.
//
// Blocking; threads: main (asks the loader). Files are read twice, once for the layer's digest, and held one
// at a time. Failure: of shared_libraries_of; dependency_missing without certificate authorities; io_failed
// when a file changed between the two readings; what writing files gives. An archive that was there before
// stays until the new one is whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace slipway::environment {

struct ImageRequest {
  std::filesystem::path program;
  std::string name;       // in /usr/bin
  std::string reference;  // as codec::image_reference() makes it
};

struct BuiltImage {
  std::string digest;  // "sha256:...", of the manifest
  std::string architecture;
  std::uint64_t archive_bytes = 0;
  std::size_t libraries = 0;
};

// Of images made here: "amd64" or "arm64"; target_unsupported elsewhere.
base::Result<std::string> image_architecture();
base::Result<BuiltImage> build_image(const ImageRequest& request, const std::filesystem::path& archive);

}  // namespace slipway::environment
