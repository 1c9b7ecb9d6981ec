// A container image made without Docker: one program of ours with the shared libraries it needs, as an OCI
// archive (an image layout in a tar, codec/oci_image.h).
//
// In it: /usr/bin/NAME, the dynamic loader at its place and every library in the folder of libc, name
// resolution (nsswitch.conf, glibc's modules for files and DNS), this machine's certificate authorities, the
// user nonroot (65532) and a /tmp. No shell, no package manager. The same input makes the same bytes: times
// are 0, entries are sorted.
//
// Models lie in layers of their own above the program's, so that a new program beside the same weights is a
// small push.
//
// Blocking; threads: main (asks the loader). Files are read twice, once for the layer's digest, piece by
// piece: a model of any size needs no memory. Failure: of shared_libraries_of; dependency_missing without
// certificate authorities; gguf_corrupt for a model that is none, bad_value for a place that it cannot have;
// io_failed when a file changed between the two readings; what writing files gives. An archive that was there
// before stays until the new one is whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::environment {

// A GGUF file of this machine and its place in the image: "/models/NAME.gguf".
struct BakedModel {
  std::filesystem::path file;
  std::filesystem::path place;
};
// "FILE" or "FILE=/PLACE"; without a place it is /models/ and the file's own name.
BakedModel baked_model(std::string_view text);

struct ImageRequest {
  std::filesystem::path program;
  std::string name;       // in /usr/bin
  std::string reference;  // as codec::image_reference() makes it
  std::vector<BakedModel> models = {};
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
