// Which instructions of a processor the linked llama.cpp was built to use without asking first: such a
// program ends with SIGILL on a processor that lacks one. Empty where it chooses at run time. Threads: any,
// one at a time.
#pragma once

#include <string>
#include <vector>

namespace slipway::engine {

// By llama.cpp's names: "AVX2", "AVX512_BF16", "DOTPROD".
std::vector<std::string> processor_features();

}  // namespace slipway::engine
