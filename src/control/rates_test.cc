#include "control/rates.h"

#include <gtest/gtest.h>

namespace slipway::control {
namespace {

using namespace std::chrono_literals;

TEST(Quantile, InterpolatesInsideABucket) {
  const std::vector<double> bounds{0.1, 0.2, 0.4};
  EXPECT_FALSE(quantile(bounds, std::vector<std::uint64_t>{0, 0, 0, 0}, 0.5));
  EXPECT_NEAR(*quantile(bounds, std::vector<std::uint64_t>{0, 10, 0, 0}, 0.5), 0.15, 1e-9);
  EXPECT_NEAR(*quantile(bounds, std::vector<std::uint64_t>{5, 0, 5, 0}, 0.99), 0.396, 1e-3);
  EXPECT_NEAR(*quantile(bounds, std::vector<std::uint64_t>{0, 0, 0, 3}, 0.5), 0.4, 1e-9)
      << "beyond the last bound";
}

Sample at(base::Duration t, std::uint64_t n) {
  Sample s;
  s.at = base::MonotonicTime{t};
  s.requests = n;
  s.output_tokens = 10 * n;
  s.cpu_seconds = static_cast<double>(n);
  s.ttft = {n, 0};
  return s;
}

TEST(RateWindow, LooksBackFiveSecondsAndNoFurther) {
  RateWindow w;
  const std::vector<double> bounds{0.5};
  for (int i = 0; i <= 60; ++i)
    w.add(at(std::chrono::seconds(i), i < 50 ? 0 : static_cast<std::uint64_t>(i - 50)));
  const Rates r = w.rates(bounds);
  EXPECT_NEAR(r.requests_per_s, 1, 1e-9);
  EXPECT_NEAR(r.output_tokens_per_s, 10, 1e-9);
  EXPECT_NEAR(r.cpu_percent, 100, 1e-6);
  EXPECT_TRUE(r.ttft_ms_p50);
}

TEST(RateWindow, OneSampleOrAWorkerThatWasReplacedGivesNoNonsense) {
  RateWindow w;
  w.add(at(1s, 100));
  EXPECT_EQ(w.rates({}).requests_per_s, 0);
  w.add(at(2s, 3));
  EXPECT_EQ(w.rates({}).cpu_percent, 0) << "never negative";
}

}  // namespace
}  // namespace slipway::control
