#include "store/model_ref.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "store/digest.h"

namespace slipway::store {
namespace {

constexpr std::size_t kMaxRefBytes = 64 * 1024;

std::filesystem::path path_of(const std::filesystem::path& refs, std::string_view source) {
  return refs / (sha256_hex(source).substr(0, 32) + ".json");
}

std::optional<ModelRef> parse(const std::filesystem::path& path) {
  const auto text = io::read_file(path, kMaxRefBytes);
  if (!text) return std::nullopt;
  const auto object = nlohmann::json::parse(*text, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  try {
    ModelRef ref{.source = object.at("source").get<std::string>(),
                 .sha256 = object.at("sha256").get<std::string>(),
                 .bytes = object.at("bytes").get<std::uint64_t>(),
                 .name = object.at("name").get<std::string>(),
                 .modified_ns = object.at("modified_ns").get<std::int64_t>()};
    if (!is_sha256_hex(ref.sha256)) return std::nullopt;
    return ref;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

std::optional<ModelRef> read_ref(const std::filesystem::path& refs, std::string_view source) {
  auto ref = parse(path_of(refs, source));
  if (!ref || ref->source != source) return std::nullopt;
  return ref;
}

std::vector<ModelRef> read_refs(const std::filesystem::path& refs) {
  std::vector<ModelRef> all;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(refs, none))
    if (auto ref = parse(entry.path())) all.push_back(std::move(*ref));
  std::ranges::sort(all, {}, &ModelRef::source);
  return all;
}

base::Result<void> write_ref(const std::filesystem::path& refs, const ModelRef& ref) {
  const nlohmann::json object = {{"source", ref.source},
                                 {"sha256", ref.sha256},
                                 {"bytes", ref.bytes},
                                 {"name", ref.name},
                                 {"modified_ns", ref.modified_ns}};
  return io::write_file_atomic(path_of(refs, ref.source), object.dump() + "\n");
}

void remove_ref(const std::filesystem::path& refs, std::string_view source) {
  std::error_code none;
  std::filesystem::remove(path_of(refs, source), none);
}

}  // namespace slipway::store
