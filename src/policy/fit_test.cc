#include "policy/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"

namespace slipway::policy {
namespace {

using domain::KvLayout;
using testing::HasSubstr;

constexpr std::uint64_t kGb = 1'000'000'000;

ModelShape smollm2() {
  return {.name = "smollm2-135m",
          .weight_bytes = 98'362'432,
          .kv_bytes_per_token = 23'040,
          .trained_context = 8'192,
          .embedding_length = 576,
          .vocabulary = 49'152};
}
ModelShape llama8b() {
  return {.name = "llama-8b",
          .weight_bytes = 4'900'000'000,
          .kv_bytes_per_token = 131'072,
          .trained_context = 131'072,
          .embedding_length = 4'096,
          .vocabulary = 128'256};
}

TEST(FitTest, ASmallModelGetsItsTrainedContextAndFourSequencesACore) {
  const auto f = fit(smollm2(), {.free_bytes = 16 * kGb, .cores = 2}, {});
  ASSERT_TRUE(f.has_value());
  EXPECT_EQ(f->context_tokens, 8'192);
  EXPECT_EQ(f->parallel, 8);
  EXPECT_EQ(f->layout, KvLayout::streams);
  EXPECT_EQ(f->kv_tokens, 8 * 8'192);
  EXPECT_GE(f->reasons.size(), 4u);
}

TEST(FitTest, AnAskedContextIsHonouredOrRefusedWithWhatFits) {
  FitWish wish;
  wish.context_tokens = 32'768;
  const auto good = fit(llama8b(), {.free_bytes = 16 * kGb, .cores = 4}, wish);
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->context_tokens, 32'768);
  const auto bad = fit(llama8b(), {.free_bytes = 8 * kGb, .cores = 4}, wish);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code(), base::ErrorCode::does_not_fit);
  EXPECT_THAT(bad.error().message(), HasSubstr("4.9 GB of weights"));
  EXPECT_THAT(bad.error().message(), HasSubstr("8.0 GB are free"));
  EXPECT_THAT(std::string(bad.error().next_step()), HasSubstr("maxNumSeqs 1"));
}

TEST(FitTest, TheContextNamedByARefusalFitsIndeed) {
  FitWish wish;
  wish.context_tokens = 100'000;
  const Room room{.free_bytes = 9 * kGb, .cores = 4};
  const auto bad = fit(llama8b(), room, wish);
  ASSERT_FALSE(bad.has_value());
  std::string next(bad.error().next_step());
  std::erase(next, ',');
  int context = 0;
  ASSERT_EQ(std::sscanf(next.c_str(), "The largest that fits: maxModelLen %d", &context), 1) << next;
  wish.context_tokens = context;
  wish.parallel = 1;
  EXPECT_TRUE(fit(llama8b(), room, wish).has_value()) << next;
  wish.context_tokens = context + kContextStep;
  EXPECT_FALSE(fit(llama8b(), room, wish).has_value()) << next;
}

TEST(FitTest, WithoutAWishTheContextShrinksToTheMemory) {
  const auto f = fit(llama8b(), {.free_bytes = 6'500'000'000, .cores = 2}, {});
  ASSERT_TRUE(f.has_value()) << f.error().to_string();
  EXPECT_LT(f->context_tokens, kDefaultContext);
  EXPECT_GE(f->context_tokens, kMinContext);
  EXPECT_EQ(f->context_tokens % kContextStep, 0);
}

TEST(FitTest, WeightsThatDoNotFitSayThatNoContextHelps) {
  const auto f = fit(llama8b(), {.free_bytes = 4 * kGb, .cores = 2}, {});
  ASSERT_FALSE(f.has_value());
  EXPECT_THAT(std::string(f.error().next_step()), HasSubstr("smaller model"));
}

TEST(FitTest, StreamsThatTookMostOfTheMemoryBecomeOnePoolOfUsualRequests) {
  const auto f = fit(smollm2(), {.free_bytes = 3 * kGb, .cores = 2}, {});
  ASSERT_TRUE(f.has_value());
  EXPECT_EQ(f->layout, KvLayout::unified);
  EXPECT_EQ(f->kv_tokens, 8 * kTypicalRequest);
  EXPECT_THAT(f->reasons, Contains(HasSubstr("more than 50 %")));
}

TEST(FitTest, ManyUnrelatedSequencesGetStreamsAndSharedPrefixesUnified) {
  FitWish wish;
  wish.parallel = 32;
  const Room room{.free_bytes = 16 * kGb, .cores = 2};
  EXPECT_EQ(fit(smollm2(), room, wish)->layout, KvLayout::streams);
  EXPECT_EQ(fit(smollm2(), room, wish)->kv_tokens, 32 * 8'192);
  wish.shares_prefixes = true;
  EXPECT_EQ(fit(smollm2(), room, wish)->layout, KvLayout::unified);
  wish.shares_prefixes = false;
  EXPECT_EQ(fit(smollm2(), {.free_bytes = 2 * kGb, .cores = 2}, wish)->layout, KvLayout::unified);
}

TEST(FitTest, AGpuTakesManySequencesWhateverTheProcessorsAndItsMemoryIsWhatCounts) {
  const auto f = fit(llama8b(), {.free_bytes = 80 * kGb, .cores = 2, .gpu = "CUDA0"}, {});
  ASSERT_TRUE(f.has_value()) << f.error().to_string();
  EXPECT_EQ(f->parallel, kMaxParallel);
  EXPECT_EQ(f->context_tokens, kDefaultContext);
  EXPECT_EQ(f->layout, KvLayout::unified);
  EXPECT_EQ(f->kv_tokens, kMaxParallel * kTypicalRequest);
  EXPECT_GE(f->need.working, kGpuProcessBytes);
  EXPECT_THAT(f->reasons, Contains(HasSubstr("80.0 GB free on CUDA0")));
  const auto bad = fit(llama8b(), {.free_bytes = 4 * kGb, .cores = 2, .gpu = "CUDA0"}, {});
  ASSERT_FALSE(bad.has_value());
  EXPECT_THAT(bad.error().message(), HasSubstr("are free on CUDA0"));
  EXPECT_THAT(std::string(bad.error().next_step()), HasSubstr("accelerator: cpu"));
}

TEST(FitTest, HalfWidthKvNeedsAboutHalf) {
  EXPECT_EQ(kv_bytes(1'024, domain::KvType::f16, 10), 10'240u);
  EXPECT_EQ(kv_bytes(1'024, domain::KvType::q8_0, 10), 5'440u);
}

TEST(FitTest, WishesBeyondTheModelAreRefused) {
  FitWish wish;
  wish.context_tokens = 8'193;
  EXPECT_EQ(fit(smollm2(), {.free_bytes = 16 * kGb}, wish).error().code(),
            base::ErrorCode::parameter_refused);
  wish = {};
  wish.parallel = kMaxWishedParallel + 1;
  EXPECT_EQ(fit(smollm2(), {.free_bytes = 16 * kGb}, wish).error().code(),
            base::ErrorCode::parameter_refused);
}

TEST(FitTest, AnEncoderNeedsNoKv) {
  const auto f = fit({.name = "minilm",
                      .task = domain::ModelTask::embedding,
                      .weight_bytes = 46'000'000,
                      .trained_context = 512},
                     {.free_bytes = kGb, .cores = 2}, {});
  ASSERT_TRUE(f.has_value());
  EXPECT_EQ(f->context_tokens, 512);
  EXPECT_EQ(f->need.kv, 0u);
}

TEST(FitTest, WhateverIsChosenFitsAndHoldsOneWholeContext) {
  base::Rng rng(20'260);
  for (int i = 0; i < 20'000; ++i) {
    ModelShape model = smollm2();
    model.weight_bytes = rng.below(40) * kGb / 2 + 1;
    model.kv_bytes_per_token = (1 + rng.below(400)) * 1'024;
    model.trained_context = static_cast<int>(512 + rng.below(200'000));
    const Room room{.free_bytes = rng.below(64) * kGb / 2, .cores = static_cast<int>(1 + rng.below(64))};
    FitWish wish;
    if (rng.below(3) == 0)
      wish.context_tokens =
          static_cast<int>(1 + rng.below(static_cast<std::uint64_t>(model.trained_context)));
    if (rng.below(3) == 0) wish.parallel = static_cast<int>(1 + rng.below(128));
    if (rng.below(2) == 0) wish.kv_type = domain::KvType::q8_0;
    const auto f = fit(model, room, wish);
    if (!f) {
      EXPECT_EQ(f.error().code(), base::ErrorCode::does_not_fit);
      continue;
    }
    EXPECT_LE(f->need.total(), room.free_bytes);
    EXPECT_LE(f->context_tokens, model.trained_context);
    EXPECT_GE(f->kv_tokens, f->context_tokens);
    if (f->layout == KvLayout::streams) EXPECT_EQ(f->kv_tokens, f->parallel * f->context_tokens);
    if (wish.context_tokens) EXPECT_EQ(f->context_tokens, *wish.context_tokens);
    if (wish.parallel) EXPECT_EQ(f->parallel, *wish.parallel);
  }
}

}  // namespace
}  // namespace slipway::policy
