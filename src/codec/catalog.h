// The model catalogue: which GGUF files a Hugging Face id stands for, with size, digest, licence, context and
// task.
//
// platform/catalog/models.yaml is built into the binary; a directory of further *.yaml files (read by the
// caller) may add entries or replace them by name. A digest that nobody has verified is left out: the store
// records it at the first download and says so. Format: docs/values.md.
//
// Failure: the same coded errors with caret as values files. Bounds: kCatalogMaxBytes, kCatalogMaxModels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/diagnostic.h"
#include "domain/model.h"

namespace slipway::codec {

inline constexpr std::size_t kCatalogMaxBytes = 4u << 20;
inline constexpr std::size_t kCatalogMaxModels = 10'000;
inline constexpr std::string_view kEmbeddedModel =
    "smollm2-135m";  // there without a hub; deployed when nothing is named

struct Catalog {
  std::vector<domain::CatalogEntry> models;  // ordered by parameters, then name

  // By name, Hugging Face id or alias, without regard to case; nullptr when there is none.
  const domain::CatalogEntry* find(std::string_view name) const;
  // model_unknown with "did you mean".
  base::Result<const domain::CatalogEntry*> get(std::string_view name) const;
  // Entries of `over` replace those of the same name.
  void merge(Catalog over);
};

base::Result<Catalog> parse_catalog(const Source& source);
// Parsed once, at first use; a broken built-in catalogue is a programmer error (CHECK), and a test reads it.
const Catalog& built_in_catalog();

std::string_view to_string(domain::ModelTask task);

}  // namespace slipway::codec
