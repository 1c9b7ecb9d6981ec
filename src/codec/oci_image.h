// The documents of an OCI image layout (github.com/opencontainers/image-spec): configuration, manifest,
// index, and the name under which a container runtime keeps the image.
//
// One platform, any number of layers, no compression: whoever pushes it compresses. Nothing of the day it was
// made is in it, so the same layers make the same digests. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::codec {

struct OciImage {
  std::string reference;     // as image_reference() makes it
  std::string architecture;  // "amd64", "arm64"
  std::string user;          // "65532"
  std::vector<std::string> entrypoint;
  std::vector<std::string> environment;  // "NAME=value"
  std::map<std::string, std::string> labels;
};

struct OciBlob {
  std::string sha256;  // 64 digits
  std::uint64_t size = 0;
};

// "slipway:0.1.0" -> "docker.io/library/slipway:0.1.0", the form that containerd and the kubelet compare.
// bad_value when it is no name with a tag.
base::Result<std::string> image_reference(std::string_view name);

// `layers`: the lowest first.
std::string oci_configuration(const OciImage& image, std::span<const OciBlob> layers);
std::string oci_manifest(const OciBlob& configuration, std::span<const OciBlob> layers);
std::string oci_index(const OciImage& image, const OciBlob& manifest);
std::string oci_layout();

}  // namespace slipway::codec
