#include "policy/choose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::policy {
namespace {

using testing::HasSubstr;

domain::ModelFile file(const char* quantization, std::uint64_t bytes, const char* derive_from = "") {
  domain::ModelFile f;
  f.name = std::string("m.") + quantization + ".gguf";
  f.quantization = quantization;
  f.bytes = bytes;
  f.derive_from = derive_from;
  return f;
}
domain::CatalogEntry entry(std::vector<domain::ModelFile> files) {
  domain::CatalogEntry e;
  e.name = "m";
  e.files = std::move(files);
  return e;
}
std::string chosen(const domain::CatalogEntry& e, const Hardware& h, bool can_derive = false) {
  const auto c = choose_file(e, h, {}, can_derive);
  return c ? e.files[c->index].quantization : std::string(base::code_name(c.error().code()));
}

constexpr std::uint64_t kMb = 1'000'000;

TEST(Choose, TheProcessorDecidesForASmallModel) {
  const auto small = entry({file("Q4_1", 98 * kMb), file("BF16", 270 * kMb)});
  EXPECT_EQ(chosen(small, {.features = {"avx2"}}), "Q4_1");
  EXPECT_EQ(chosen(small, {.features = {"avx2", "avx512_bf16"}}), "BF16");
  EXPECT_EQ(chosen(small, {.features = {"avx512_bf16", "amx_bf16"}}), "BF16");
  EXPECT_EQ(chosen(small, {}), "Q4_1");
  EXPECT_THAT(choose_file(small, {.features = {"avx512_bf16"}})->reason, HasSubstr("avx512_bf16"));
}

TEST(Choose, AGpuReadsTheFewestBytesWhateverTheProcessor) {
  const auto small = entry({file("BF16", 270 * kMb), file("Q4_1", 98 * kMb)});
  const auto choice = choose_file(small, {.features = {"amx_bf16", std::string(kOnGpu)}});
  EXPECT_EQ(small.files[choice->index].quantization, "Q4_1");
  EXPECT_THAT(choice->reason, HasSubstr("GPU"));
}

TEST(Choose, ALargeModelTakesTheSmallFileEverywhere) {
  const auto large = entry({file("BF16", 16'000 * kMb), file("Q4_K_M", 4'900 * kMb)});
  EXPECT_EQ(chosen(large, {.features = {"avx512_bf16"}}), "Q4_K_M");
}

TEST(Choose, FilesThatDoNotFitAreLeftOut) {
  const auto e = entry({file("Q4_K_M", 4'900 * kMb), file("Q8_0", 8'500 * kMb)});
  EXPECT_EQ(chosen(e, {.features = {"avx2"}, .free_bytes = 6'000 * kMb}), "Q4_K_M");
  EXPECT_EQ(chosen(e, {.features = {"avx2"}, .free_bytes = 1'000 * kMb}), "E3006");
}

TEST(Choose, ADerivedFileOnlyWhereItCanBeMade) {
  const auto e = entry({file("Q4_1", 98 * kMb), file("BF16", 270 * kMb, "m.Q4_1.gguf")});
  EXPECT_EQ(chosen(e, {.features = {"avx512_bf16"}}), "Q4_1");
  EXPECT_EQ(chosen(e, {.features = {"avx512_bf16"}}, true), "BF16");
}

TEST(Choose, AnAskedQuantisationIsTakenOrRefusedWithWhatThereIs) {
  const auto e = entry({file("Q4_1", 98 * kMb), file("BF16", 270 * kMb)});
  EXPECT_EQ(choose_file(e, {}, "BF16")->index, 1u);
  const auto bad = choose_file(e, {}, "Q2_K");
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code(), base::ErrorCode::bad_value);
  EXPECT_THAT(bad.error().message(), HasSubstr("Q4_1 (98.0 MB), BF16 (270.0 MB)"));
}

}  // namespace
}  // namespace slipway::policy
