#include "policy/limit.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace slipway::policy {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kStart = 1'000 * kSecond;

TEST(TakeTest, AQuietKeyMaySpendItsMinuteAtOnceAndThenWaits) {
  Nanoseconds state = 0;
  for (int i = 0; i < 60; ++i) {
    const Take t = take(state, kStart, 60, 1);
    ASSERT_TRUE(t.granted) << i;
    state = t.full_at;
  }
  const Take refused = take(state, kStart, 60, 1);
  EXPECT_FALSE(refused.granted);
  EXPECT_EQ(refused.retry_after, kSecond);
  EXPECT_EQ(refused.full_at, state);
  EXPECT_TRUE(take(state, kStart + kSecond, 60, 1).granted);
}

TEST(TakeTest, RetryAfterIsExactlyWhenTheSameTakeIsGranted) {
  base::Rng rng(3);
  for (int i = 0; i < 5000; ++i) {
    const auto rate = static_cast<std::uint32_t>(1 + rng.below(1'000'000));
    const std::uint64_t amount = 1 + rng.below(2ull * rate);
    const Nanoseconds state = kStart + static_cast<Nanoseconds>(rng.below(200)) * kSecond;
    const Take refused = take(state, kStart, rate, amount);
    if (refused.granted) continue;
    EXPECT_TRUE(take(state, kStart + refused.retry_after, rate, amount).granted);
    EXPECT_FALSE(take(state, kStart + refused.retry_after - 1, rate, amount).granted);
  }
}

TEST(TakeTest, NoLimitGrantsAndKeepsTheState) {
  const Take t = take(77, kStart, 0, 1'000'000);
  EXPECT_TRUE(t.granted);
  EXPECT_EQ(t.full_at, 77);
}

TEST(TakeTest, ARequestLargerThanAMinuteNeedsAFullBucketAndLeavesADebt) {
  const Take first = take(0, kStart, 1000, 3000);
  ASSERT_TRUE(first.granted);
  EXPECT_EQ(first.full_at, kStart + 3 * kMinute);
  EXPECT_FALSE(take(first.full_at, kStart + 2 * kMinute, 1000, 1).granted);
  EXPECT_TRUE(take(first.full_at, kStart + 2 * kMinute + kSecond, 1000, 1).granted);
  EXPECT_FALSE(take(first.full_at, kStart + 2 * kMinute, 1000, 3000).granted);
}

TEST(SettlementTest, GivesBackWhatWasNotUsedAndChargesWhatWasMore) {
  const Take t = take(0, kStart, 6000, 600);
  EXPECT_EQ(t.full_at + settlement(6000, 600, 100), take(0, kStart, 6000, 100).full_at);
  EXPECT_EQ(t.full_at + settlement(6000, 600, 900), take(0, kStart, 6000, 900).full_at);
  EXPECT_EQ(settlement(0, 600, 100), 0);
}

TEST(ReservationTest, IsAThirdOfTheBytesAndTheAnswersBound) {
  EXPECT_EQ(reservation(300, std::nullopt), 100u + 512u);
  EXPECT_EQ(reservation(300, 16), 116u);
  EXPECT_EQ(reservation(300, 16, 4), 164u);
  EXPECT_EQ(reservation(0, 0), 0u);
  EXPECT_EQ(reservation(~0ull, ~0ull, ~0ull), kMaxAmount);
}

// In any span of time what is granted is at most one bucket and what refilled meanwhile, plus the excess of
// one oversized request, whatever the arrivals.
TEST(TakeProperty, NoWindowIsOverAdmitted) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    base::Rng rng(seed);
    const auto rate = static_cast<std::uint32_t>(1 + rng.below(5000));
    struct Grant {
      Nanoseconds at;
      std::uint64_t amount;
    };
    std::vector<Grant> grants;
    Nanoseconds now = kStart, state = 0;
    for (int i = 0; i < 300; ++i) {
      now += static_cast<Nanoseconds>(rng.below(2 * kSecond));
      const std::uint64_t amount = 1 + rng.below(rate);
      const Take t = take(state, now, rate, amount);
      state = t.full_at;
      if (t.granted) grants.push_back({now, amount});
    }
    for (std::size_t i = 0; i < grants.size(); ++i) {
      std::uint64_t sum = 0;
      for (std::size_t j = i; j < grants.size(); ++j) {
        sum += grants[j].amount;
        const double refilled = static_cast<double>(grants[j].at - grants[i].at) / kMinute * rate;
        ASSERT_LE(static_cast<double>(sum), rate + refilled + 1e-3) << "seed " << seed;
      }
    }
  }
}

TEST(TakeProperty, ExtremeValuesDoNotOverflow) {
  for (const std::uint32_t rate : {1u, 2u, 4'000'000'000u})
    for (const std::uint64_t amount : {std::uint64_t{0}, std::uint64_t{1}, kMaxAmount, ~std::uint64_t{0}}) {
      const Take t = take(0, kStart, rate, amount);
      EXPECT_TRUE(t.granted);
      EXPECT_GT(t.full_at, kStart);
    }
}

}  // namespace
}  // namespace slipway::policy
