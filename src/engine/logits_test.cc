#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rng.h"
#include "engine/sampler.h"

namespace slipway::engine {
namespace {

std::vector<float> random_row(base::Rng& rng, std::size_t size) {
  std::vector<float> row(size);
  // Coarse values, so that equal logits happen.
  for (float& x : row) x = static_cast<float>(rng.below(400)) / 10.0f - 20.0f;
  return row;
}

TEST(Logits, TheLargestAreThoseOfAFullSort) {
  base::Rng rng(1);
  for (const std::size_t size : {1u, 15u, 64u, 65u, 1000u, 49152u}) {
    const std::vector<float> row = random_row(rng, size);
    std::vector<Candidate> sorted;
    for (std::size_t i = 0; i < size; ++i) sorted.push_back({static_cast<Token>(i), row[i]});
    std::ranges::sort(sorted, [](const Candidate& a, const Candidate& b) {
      return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
    });
    for (const int k : {1, 2, 40, 1000, 0}) {
      const std::vector<Candidate> got = largest(row, k);
      const std::size_t want = k == 0 ? size : std::min(size, static_cast<std::size_t>(k));
      ASSERT_EQ(got.size(), want);
      for (std::size_t i = 0; i < want; ++i)
        ASSERT_EQ(got[i].token, sorted[i].token) << size << " " << k << " " << i;
    }
    EXPECT_EQ(best_token(row), sorted[0].token);
  }
}

TEST(Logits, OnlyNotANumberAndPlusInfinityAreUnusable) {
  std::vector<float> row(100, 1.0f);
  row[99] = -std::numeric_limits<float>::infinity();
  EXPECT_TRUE(all_usable(row));
  for (const std::size_t at : {0u, 17u, 98u}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      std::vector<float> broken = row;
      broken[at] = bad;
      EXPECT_FALSE(all_usable(broken)) << at << " " << bad;
    }
  }
}

TEST(Logits, TheNormaliserIsTheLogOfTheSum) {
  base::Rng rng(2);
  const std::vector<float> row = random_row(rng, 5000);
  double sum = 0;
  for (float x : row) sum += std::exp(double{x});
  EXPECT_NEAR(log_sum_exp(row), std::log(sum), 1e-4);
}

TEST(Logits, AFloorKeepsThoseThatReachIt) {
  const std::vector<float> row = {0.0f, 3.0f, -1.0f, 2.0f, 2.0f};
  const std::vector<Candidate> got = largest_from(row, 2.0f);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].token, 1);
  EXPECT_EQ(got[1].token, 3);
  EXPECT_EQ(got[2].token, 4);
}

}  // namespace
}  // namespace slipway::engine
