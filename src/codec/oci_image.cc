#include "codec/oci_image.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/json_view.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kConfigurationType = "application/vnd.oci.image.config.v1+json";
constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar";
constexpr std::size_t kTagBytes = 128, kNameBytes = 255;

bool lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// A part of a repository's path: words of lower-case letters and digits with single separators between.
bool path_part(std::string_view part) {
  if (part.empty() || !lower_or_digit(part.front()) || !lower_or_digit(part.back())) return false;
  return std::ranges::all_of(part,
                             [](char c) { return lower_or_digit(c) || c == '-' || c == '.' || c == '_'; });
}

bool good_tag(std::string_view tag) {
  const auto word = [](char c) { return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !tag.empty() && tag.size() <= kTagBytes && word(tag.front()) &&
         std::ranges::all_of(tag, [&](char c) { return word(c) || c == '.' || c == '-'; });
}

// "registry.example.org:5000": has what no first part of a path on Docker Hub has.
bool registry(std::string_view part) {
  const std::string_view host = part.substr(0, part.find(':'));
  const bool bare = host.size() == part.size();
  const std::string_view port = bare ? "" : part.substr(host.size() + 1);
  return (host == "localhost" || host.contains('.') || !port.empty()) && path_part(host) &&
         bare == port.empty() && std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

bool good_path(std::string_view path) {
  while (true) {
    const auto slash = path.find('/');
    if (!path_part(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

Json descriptor(const char* type, const OciBlob& blob) {
  return {{"mediaType", type}, {"digest", "sha256:" + blob.sha256}, {"size", blob.size}};
}

}  // namespace

Result<std::string> image_reference(std::string_view name) {
  const auto colon = name.rfind(':');
  const std::string_view repository = name.substr(0, colon);
  const auto slash = repository.find('/');
  const bool named = slash != std::string_view::npos && registry(repository.substr(0, slash));
  if (colon == std::string_view::npos || name.size() > kNameBytes || !good_tag(name.substr(colon + 1)) ||
      !good_path(named ? repository.substr(slash + 1) : repository))
    return Error(ErrorCode::bad_value, fmt::format("`{}` is no image name with a tag", name))
        .with_next("Write it as in slipway:0.1.0 or registry.example.org/team/slipway:0.1.0.");
  if (named) return std::string(name);
  return fmt::format("docker.io/{}{}", slash == std::string_view::npos ? "library/" : "", name);
}

std::string oci_configuration(const OciImage& image, std::span<const OciBlob> layers) {
  Json digests = Json::array();
  for (const OciBlob& layer : layers) digests.push_back("sha256:" + layer.sha256);
  return Json{{"created", "1970-01-01T00:00:00Z"},
              {"architecture", image.architecture},
              {"os", "linux"},
              {"config",
               {{"User", image.user},
                {"Env", image.environment},
                {"Entrypoint", image.entrypoint},
                {"WorkingDir", "/"},
                {"Labels", image.labels}}},
              {"rootfs", {{"type", "layers"}, {"diff_ids", digests}}}}
      .dump();
}

std::string oci_manifest(const OciBlob& configuration, std::span<const OciBlob> layers) {
  Json described = Json::array();
  for (const OciBlob& layer : layers) described.push_back(descriptor(kLayerType, layer));
  return Json{{"schemaVersion", 2},
              {"mediaType", kManifestType},
              {"config", descriptor(kConfigurationType, configuration)},
              {"layers", described}}
      .dump();
}

std::string oci_index(const OciImage& image, const OciBlob& manifest) {
  Json entry = descriptor(kManifestType, manifest);
  entry["platform"] = {{"architecture", image.architecture}, {"os", "linux"}};
  entry["annotations"] = {{"io.containerd.image.name", image.reference},
                          {"org.opencontainers.image.ref.name", image.reference}};
  return Json{{"schemaVersion", 2},
              {"mediaType", "application/vnd.oci.image.index.v1+json"},
              {"manifests", Json::array({entry})}}
      .dump();
}

std::string oci_layout() {
  return R"({"imageLayoutVersion":"1.0.0"})";
}

}  // namespace slipway::codec
