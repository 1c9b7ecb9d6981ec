#include "engine/processor.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace slipway::engine {
namespace {

TEST(Processor, WhatWasBuiltInIsNamedAndThisProcessorHasIt) {
  const std::vector<std::string> features = processor_features();
  EXPECT_THAT(features, ::testing::Not(::testing::Contains("LLAMAFILE")));
#ifdef __x86_64__
  ASSERT_FALSE(features.empty());
  std::ostringstream file;
  file << std::ifstream("/proc/cpuinfo").rdbuf();
  const std::string flags = file.str();
  const std::pair<const char*, const char*> names[] = {
      {"AVX", " avx "}, {"AVX2", " avx2 "}, {"FMA", " fma "}, {"F16C", " f16c "}, {"AVX512", " avx512f "}};
  for (const auto& [name, flag] : names)
    EXPECT_EQ(std::ranges::find(features, name) != features.end(), flags.contains(flag)) << name;
#endif
}

}  // namespace
}  // namespace slipway::engine
