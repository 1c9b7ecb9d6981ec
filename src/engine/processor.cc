#include "engine/processor.h"

#include <llama.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace slipway::engine {
namespace {

// Ways of computing, not of processors.
constexpr auto kOthers =
    std::to_array<std::string_view>({"LLAMAFILE", "OPENMP", "REPACK", "ACCELERATE", "KLEIDIAI"});

}  // namespace

std::vector<std::string> processor_features() {
  // "CPU : SSE3 = 1 | AVX2 = 1 | LLAMAFILE = 1 | CUDA : ARCHS = ..."; what is not built in is not named.
  constexpr std::string_view kHere = "CPU : ", kOn = " = 1", kBetween = " | ";
  std::string_view text = llama_print_system_info();
  std::vector<std::string> out;
  const auto from = text.find(kHere);
  if (from == std::string_view::npos) return out;
  text.remove_prefix(from + kHere.size());
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(kBetween));
    if (word.contains(" : ")) break;  // the next backend
    text.remove_prefix(std::min(text.size(), word.size() + kBetween.size()));
    if (!word.ends_with(kOn)) continue;
    const std::string_view name = word.substr(0, word.size() - kOn.size());
    if (std::ranges::find(kOthers, name) == kOthers.end()) out.emplace_back(name);
  }
  return out;
}

}  // namespace slipway::engine
