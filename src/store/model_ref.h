// What is known about a source: which digest it gave. One small JSON file a source, named by the source's
// hash. An unreadable ref counts as none: it is a memory, not the truth; blobs are named by their own digest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::store {

struct ModelRef {
  std::string source;  // as written in the catalogue or the values file
  std::string sha256;
  std::uint64_t bytes = 0;
  std::string name;              // the file's name, for people
  std::int64_t modified_ns = 0;  // file: sources, the source's time stamp when it was hashed
};

std::optional<ModelRef> read_ref(const std::filesystem::path& refs, std::string_view source);
std::vector<ModelRef> read_refs(const std::filesystem::path& refs);  // ordered by source
base::Result<void> write_ref(const std::filesystem::path& refs, const ModelRef& ref);
void remove_ref(const std::filesystem::path& refs, std::string_view source);

}  // namespace slipway::store
