#include "gateway/limits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

namespace slipway::gateway {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;

const base::MonotonicTime kNow(1000s);

domain::Key key_with(domain::KeyLimits limits) {
  domain::Key key;
  key.slot = 7;
  key.limits = limits;
  return key;
}

TEST(LimitTableTest, ConcurrencyFreesWhenAnAdmissionEnds) {
  LimitTable table;
  const domain::Key key = key_with({.concurrent = 2});
  auto a = table.admit(key, kNow);
  auto b = table.admit(key, kNow);
  ASSERT_TRUE(a && b);
  const auto c = table.admit(key, kNow);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code(), ErrorCode::rate_limited);
  EXPECT_EQ(c.error().param(), "concurrent");
  EXPECT_TRUE(c.error().retry_after());
  EXPECT_EQ(table.running(7), 2u);
  *a = Admission();
  EXPECT_TRUE(table.admit(key, kNow));
}

TEST(LimitTableTest, RequestsAMinuteAreCountedAndRefusalsAreNot) {
  LimitTable table;
  const domain::Key key = key_with({.requests_per_minute = 3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(table.admit(key, kNow));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(table.admit(key, kNow).error().param(), "requests_per_minute");
  EXPECT_TRUE(table.admit(key, kNow + 20s));
  EXPECT_EQ(table.running(7), 0u);
}

TEST(LimitTableTest, TokensAreReservedAndSettled) {
  LimitTable table;
  const domain::Key key = key_with({.tokens_per_minute = 1000});
  auto a = table.admit(key, kNow);
  ASSERT_TRUE(a->reserve(800, kNow));
  auto b = table.admit(key, kNow);
  EXPECT_EQ(b->reserve(800, kNow).error().param(), "tokens_per_minute");
  a->settle(100);
  EXPECT_TRUE(b->reserve(800, kNow));
}

TEST(LimitTableTest, ARequestThatUsedNothingGivesItsReservationBack) {
  LimitTable table;
  const domain::Key key = key_with({.tokens_per_minute = 1000});
  for (int i = 0; i < 10; ++i) {
    auto a = table.admit(key, kNow);
    EXPECT_TRUE(a->reserve(1000, kNow)) << i;
  }
}

TEST(LimitTableTest, AnAnswerLongerThanReservedLeavesADebt) {
  LimitTable table;
  const domain::Key key = key_with({.tokens_per_minute = 1000});
  auto a = table.admit(key, kNow);
  ASSERT_TRUE(a->reserve(100, kNow));
  a->settle(3000);
  auto b = table.admit(key, kNow + 60s);
  const auto refused = b->reserve(1, kNow + 60s);
  ASSERT_FALSE(refused);
  EXPECT_GT(*refused.error().retry_after(), 59s);
}

TEST(LimitTableTest, NoLimitIsNoLimit) {
  LimitTable table;
  const domain::Key key = key_with({});
  std::vector<Admission> held;
  for (int i = 0; i < 1000; ++i) {
    auto a = table.admit(key, kNow);
    ASSERT_TRUE(a && a->reserve(1'000'000, kNow));
    held.push_back(*std::move(a));
  }
}

// Takers on several threads together get exactly what one would.
TEST(LimitTableTest, ThreadsNeverGetMoreThanTheLimit) {
  constexpr int kThreads = 4, kTries = 2000;
  LimitTable table;
  const domain::Key key = key_with({.requests_per_minute = 1000, .tokens_per_minute = 5000, .concurrent = 3});
  std::atomic<int> admitted{0}, tokens{0};
  std::barrier start(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int i = 0; i < kTries; ++i) {
        auto a = table.admit(key, kNow);
        if (!a) continue;
        ++admitted;
        if (a->reserve(10, kNow)) {
          tokens += 10;
          a->settle(10);
        }
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_LE(admitted, 1000);
  EXPECT_GE(admitted, 900);  // a taker above the concurrency limit is refused before it counts
  EXPECT_EQ(tokens, 5000);
  EXPECT_EQ(table.running(7), 0u);
}

}  // namespace
}  // namespace slipway::gateway
