#include "environment/image.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <map>
#include <optional>

#include "codec/oci_image.h"
#include "codec/tar.h"
#include "environment/shared_libraries.h"
#include "store/digest.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
namespace fs = std::filesystem;

constexpr std::size_t kPiece = 1u << 20;  // read at once
constexpr const char* kModels = "/models";
constexpr unsigned kUser = 65532;
constexpr const char* kCertificates = "etc/ssl/certs/ca-certificates.crt";
// Where distributions keep them: Debian and Alpine, Red Hat, SUSE.
constexpr auto kCertificatesHere = std::to_array<const char*>(
    {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"});
// glibc opens these by name when a host name is resolved; newer ones have them inside and keep empty files.
constexpr auto kResolvers =
    std::to_array<const char*>({"libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"});

// What an entry of the layer holds: text of ours, or a file of this machine.
struct Content {
  codec::TarEntry entry;
  std::string text;
  fs::path from;
};
using Layer = std::map<std::string, Content>;
using Sink = std::function<Result<void>(std::string_view)>;

// The folders above come with it.
void add(Layer& layer, Content content) {
  for (fs::path above = fs::path(content.entry.path).parent_path(); !above.empty();
       above = above.parent_path())
    layer.try_emplace(
        above.string(),
        Content{.entry = {.path = above.string(), .folder = true, .mode = 0755}, .text = {}, .from = {}});
  const std::string path = content.entry.path;
  layer.insert_or_assign(path, std::move(content));
}
void add_file(Layer& layer, const fs::path& place, const fs::path& from, unsigned mode) {
  add(layer, {.entry = {.path = place.relative_path().string(), .mode = mode}, .text = {}, .from = from});
}
void add_text(Layer& layer, const char* place, std::string text) {
  add(layer, {.entry = {.path = place, .size = text.size()}, .text = std::move(text), .from = {}});
}

Result<fs::path> certificates() {
  std::error_code ignored;
  const auto found =
      std::ranges::find_if(kCertificatesHere, [&](auto path) { return fs::exists(path, ignored); });
  if (found != kCertificatesHere.end()) return fs::path(*found);
  return Error(ErrorCode::dependency_missing, "this machine has no certificate authorities for the image")
      .with_next("Install the package ca-certificates.");
}

void add_libraries(Layer& layer, const SharedLibraries& libraries) {
  // One folder that the loader looks into by itself, wherever this machine keeps the library.
  const fs::path folder = libraries.by_name.at("libc.so.6").parent_path();
  add_file(layer, libraries.loader, libraries.loader, 0755);
  for (const auto& [name, path] : libraries.by_name) add_file(layer, folder / name, path, 0644);
  std::error_code ignored;
  for (const char* name : kResolvers)
    if (fs::exists(folder / name, ignored)) add_file(layer, folder / name, folder / name, 0644);
}

Result<Layer> layer_of(const ImageRequest& request, const SharedLibraries& libraries) {
  Layer layer;
  add_libraries(layer, libraries);
  add_file(layer, fs::path("/usr/bin") / request.name, request.program, 0755);
  SLIPWAY_TRY(const fs::path authorities, certificates());
  add_file(layer, kCertificates, authorities, 0644);
  add_text(layer, "etc/passwd",
           fmt::format("root:x:0:0:root:/root:/sbin/nologin\n"
                       "nonroot:x:{0}:{0}:nonroot:/home/nonroot:/sbin/nologin\n",
                       kUser));
  add_text(layer, "etc/group", fmt::format("root:x:0:\nnonroot:x:{}:\n", kUser));
  add_text(layer, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  add(layer, {.entry = {.path = "home/nonroot", .folder = true, .mode = 0700, .owner = kUser},
              .text = {},
              .from = {}});
  add(layer, {.entry = {.path = "tmp", .folder = true, .mode = 01777}, .text = {}, .from = {}});
  return layer;
}

Error changed(const fs::path& file) {
  return Error(ErrorCode::io_failed, fmt::format("{} changed while it was read", file.string()));
}

// Exactly `size` bytes, piece by piece.
Result<void> write_file_content(const fs::path& file, std::uint64_t size, const Sink& sink) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error(ErrorCode::file_unreadable, fmt::format("{} cannot be opened", file.string()));
  std::string piece(kPiece, '\0');
  for (std::uint64_t left = size; left > 0;) {
    in.read(piece.data(), static_cast<std::streamsize>(std::min<std::uint64_t>(left, piece.size())));
    const auto count = static_cast<std::size_t>(in.gcount());
    if (count == 0) return changed(file);
    SLIPWAY_RETURN_IF_ERROR(sink(std::string_view(piece).substr(0, count)));
    left -= count;
  }
  if (in.get() != std::ifstream::traits_type::eof()) return changed(file);
  return {};
}

Result<void> write_content(codec::TarEntry entry, const Content& content, const Sink& sink) {
  if (!content.from.empty()) {
    std::error_code failed;
    entry.size = fs::file_size(content.from, failed);
    if (failed)
      return Error(ErrorCode::file_unreadable,
                   fmt::format("{} cannot be read: {}", content.from.string(), failed.message()));
  }
  SLIPWAY_TRY(const std::string head, codec::tar_head(entry));
  SLIPWAY_RETURN_IF_ERROR(sink(head));
  if (entry.folder) return {};
  SLIPWAY_RETURN_IF_ERROR(content.from.empty() ? sink(content.text)
                                               : write_file_content(content.from, entry.size, sink));
  return sink(codec::tar_padding(entry.size));
}

Result<void> write_layer(const Layer& layer, const Sink& sink) {
  for (const auto& [path, content] : layer)
    SLIPWAY_RETURN_IF_ERROR(write_content(content.entry, content, sink));
  return sink(codec::tar_end());
}

Result<void> check_model(const BakedModel& model, const std::vector<Layer>& layers) {
  std::ifstream in(model.file, std::ios::binary);
  std::array<char, 4> magic{};
  if (!in.read(magic.data(), magic.size()) && in.gcount() == 0)
    return Error(ErrorCode::file_unreadable, fmt::format("{} cannot be read", model.file.string()));
  if (std::string_view(magic.data(), magic.size()) != "GGUF")
    return Error(ErrorCode::gguf_corrupt, fmt::format("{} is no GGUF file", model.file.string()))
        .with_next("The worker reads GGUF only; name such a file, or serve the model with framework vllm.");
  const fs::path& place = model.place;
  const auto taken = [&](const Layer& layer) {
    const auto found = layer.find(place.relative_path().string());
    return found != layer.end();
  };
  const bool file = place.is_absolute() && place.has_filename() && place == place.lexically_normal();
  if (file && std::ranges::none_of(layers, taken)) return {};
  return Error(ErrorCode::bad_value,
               fmt::format("{} cannot be the place of a model in the image", place.string()))
      .with_next(fmt::format("Name a path of its own, as in --model {}={}/model.gguf.", model.file.string(),
                             kModels));
}

// The program's, and one above it for each model.
Result<std::vector<Layer>> layers_of(const ImageRequest& request, const SharedLibraries& libraries) {
  SLIPWAY_TRY(Layer program, layer_of(request, libraries));
  std::vector<Layer> out;
  out.push_back(std::move(program));
  for (const BakedModel& model : request.models) {
    SLIPWAY_RETURN_IF_ERROR(check_model(model, out));
    Layer layer;
    add_file(layer, model.place, model.file, 0644);
    out.push_back(std::move(layer));
  }
  return out;
}

// Counts and digests what passes.
struct Meter {
  store::Sha256 hash;
  std::uint64_t bytes = 0;
  void update(std::string_view text) {
    hash.update(text);
    bytes += text.size();
  }
};

Result<codec::OciBlob> measure(const Layer& layer) {
  Meter meter;
  SLIPWAY_RETURN_IF_ERROR(write_layer(layer, [&](std::string_view text) -> Result<void> {
    meter.update(text);
    return {};
  }));
  return codec::OciBlob{.sha256 = meter.hash.finish_hex(), .size = meter.bytes};
}

codec::OciBlob blob_of(std::string_view text) {
  return {.sha256 = store::sha256_hex(text), .size = text.size()};
}

Result<void> write_entry(const codec::TarEntry& entry, std::string_view text, const Sink& sink) {
  SLIPWAY_TRY(const std::string head, codec::tar_head(entry));
  SLIPWAY_RETURN_IF_ERROR(sink(head));
  SLIPWAY_RETURN_IF_ERROR(sink(text));
  return sink(codec::tar_padding(text.size()));
}

std::string blob_path(const codec::OciBlob& blob) {
  return "blobs/sha256/" + blob.sha256;
}

// The layer as an entry of the archive; its bytes must be those that were measured.
Result<void> write_layer_entry(const Layer& layer, const codec::OciBlob& blob, const Sink& sink) {
  SLIPWAY_TRY(const std::string head, codec::tar_head({.path = blob_path(blob), .size = blob.size}));
  SLIPWAY_RETURN_IF_ERROR(sink(head));
  Meter meter;
  SLIPWAY_RETURN_IF_ERROR(write_layer(layer, [&](std::string_view text) {
    meter.update(text);
    return sink(text);
  }));
  if (meter.bytes != blob.size || meter.hash.finish_hex() != blob.sha256)
    return Error(ErrorCode::io_failed, "a file of the image changed while it was read");
  return sink(codec::tar_padding(blob.size));
}

codec::OciImage image_of(const ImageRequest& request, std::string architecture) {
  const std::string program = "/usr/bin/" + request.name;
  return {
      .reference = request.reference,
      .architecture = std::move(architecture),
      .user = std::to_string(kUser),
      .entrypoint = {program},
      .environment = {"PATH=/usr/bin", "HOME=/home/nonroot", fmt::format("SSL_CERT_FILE=/{}", kCertificates)},
      .labels = {{"org.opencontainers.image.title", request.name},
                 {"org.opencontainers.image.version", SLIPWAY_VERSION},
                 {"org.opencontainers.image.licenses", "Apache-2.0"}}};
}

// The documents by their paths in the archive, and the manifest's digest.
struct Documents {
  std::map<std::string, std::string> files;
  std::string digest;
};
Documents documents_of(const codec::OciImage& image, const std::vector<codec::OciBlob>& layers) {
  const std::string configuration = codec::oci_configuration(image, layers);
  const std::string manifest = codec::oci_manifest(blob_of(configuration), layers);
  const codec::OciBlob manifest_blob = blob_of(manifest);
  return {.files = {{blob_path(blob_of(configuration)), configuration},
                    {blob_path(manifest_blob), manifest},
                    {"index.json", codec::oci_index(image, manifest_blob)},
                    {"oci-layout", codec::oci_layout()}},
          .digest = manifest_blob.sha256};
}

Result<void> write_archive(const std::vector<Layer>& layers, const std::vector<codec::OciBlob>& blobs,
                           const Documents& documents, const Sink& sink) {
  for (const char* folder : {"blobs", "blobs/sha256"})
    SLIPWAY_RETURN_IF_ERROR(write_entry({.path = folder, .folder = true, .mode = 0755}, {}, sink));
  // By path; what is no layer is a document. The same model at two places would be one blob.
  std::map<std::string, std::optional<std::size_t>> names;
  for (const auto& [path, text] : documents.files) names[path] = std::nullopt;
  for (std::size_t i = 0; i < blobs.size(); ++i) names[blob_path(blobs[i])] = i;
  for (const auto& [path, layer] : names) {
    const auto done = layer ? write_layer_entry(layers[*layer], blobs[*layer], sink)
                            : write_entry({.path = path, .size = documents.files.at(path).size()},
                                          documents.files.at(path), sink);
    SLIPWAY_RETURN_IF_ERROR(done);
  }
  return sink(codec::tar_end());
}

Result<std::uint64_t> write_file(const fs::path& target,
                                 const std::function<Result<void>(const Sink&)>& write) {
  fs::path part = target;
  part += ".part";
  std::error_code failed;
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  std::uint64_t bytes = 0;
  auto done = write([&](std::string_view text) -> Result<void> {
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    bytes += text.size();
    if (file) return {};
    return Error(ErrorCode::io_failed, fmt::format("cannot write {}", part.string()))
        .with_next("Check that the folder is there, that you may write to it, and that it has room.");
  });
  file.close();
  if (done && file) fs::rename(part, target, failed);
  if (done && (!file || failed))
    done = Error(ErrorCode::io_failed, fmt::format("cannot write {}", target.string()));
  if (!done) {
    fs::remove(part, failed);
    return std::move(done).error();
  }
  return bytes;
}

}  // namespace

BakedModel baked_model(std::string_view text) {
  const std::size_t sign = text.rfind("=/");
  const fs::path file(text.substr(0, sign));
  return {
      .file = file,
      .place = sign == std::string_view::npos ? kModels / file.filename() : fs::path(text.substr(sign + 1))};
}

Result<std::string> image_architecture() {
  utsname name{};
  (void)uname(&name);
  const std::string machine = name.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return Error(ErrorCode::target_unsupported,
               fmt::format("no image is made for processors of type {}", machine))
      .with_next("Make it on x86-64 or arm64.");
}

Result<BuiltImage> build_image(const ImageRequest& request, const fs::path& archive) {
  SLIPWAY_TRY(const std::string architecture, image_architecture());
  SLIPWAY_TRY(const SharedLibraries libraries, shared_libraries_of(request.program));
  SLIPWAY_TRY(const std::vector<Layer> layers, layers_of(request, libraries));
  std::vector<codec::OciBlob> blobs;
  for (const Layer& layer : layers) {
    SLIPWAY_TRY(codec::OciBlob blob, measure(layer));
    blobs.push_back(std::move(blob));
  }
  const Documents documents = documents_of(image_of(request, architecture), blobs);
  SLIPWAY_TRY(const std::uint64_t bytes, write_file(archive, [&](const Sink& sink) {
                return write_archive(layers, blobs, documents, sink);
              }));
  return BuiltImage{.digest = "sha256:" + documents.digest,
                    .architecture = architecture,
                    .archive_bytes = bytes,
                    .libraries = libraries.by_name.size()};
}

}  // namespace slipway::environment
