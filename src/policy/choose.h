// Which of a model's files suits this processor or GPU.
//
// A smaller file is read faster, but a processor computes fast only in formats it has instructions and
// kernels for: with AVX-512 BF16, a 135M model in BF16 answers 2.5x faster than the same model in Q4_1, which
// has no repacked kernels. Large models are bound by reading weights, so there the small file wins
// everywhere. The rules are a table (choose.cc): the first row whose processor features are here orders the
// quantisations.
//
// Pure. Ties break by the order in the catalogue.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "domain/model.h"

namespace slipway::policy {

// The feature that says that a GPU computes; free_bytes is its memory then.
inline constexpr std::string_view kOnGpu = "gpu";

struct Hardware {
  std::set<std::string, std::less<>>
      features;                  // words of /proc/cpuinfo's flags or Features line: "avx2", "avx512_bf16"
  std::uint64_t free_bytes = 0;  // memory a replica may use; 0 = not known, nothing is left out for size
};

struct FileChoice {
  std::size_t index = 0;  // into entry.files
  std::string reason;     // "BF16: this processor has avx512_bf16, ..."
};

// `quantization`: what the person asked for ("Q8_0"), empty = choose. `can_derive`: files made from another
// file here (ModelFile::derive_from) may be chosen. Fails with bad_value (no such quantisation) or
// does_not_fit (none fits).
base::Result<FileChoice> choose_file(const domain::CatalogEntry& entry, const Hardware& hardware,
                                     std::string_view quantization = {}, bool can_derive = false);

}  // namespace slipway::policy
