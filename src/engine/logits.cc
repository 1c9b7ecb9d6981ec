// Scans over one row of logits (a vocabulary's worth, 50k to 250k floats), written in blocks of independent
// lanes so that the compiler vectorises them: a row is read about once, not sorted.
//
// largest(): the k-th largest of the block maxima is a lower bound of the k-th largest logit, because each
// maximum is one of the logits; so only blocks whose maximum reaches the bound are looked at, and only a few
// survive.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/sampler.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kBlock = 64;  // logits whose maximum is kept
constexpr float kNever = -std::numeric_limits<float>::infinity();

float block_max(std::span<const float> block) {
  std::array<float, kLanes> lanes;
  lanes.fill(kNever);
  std::size_t i = 0;
  for (; i + kLanes <= block.size(); i += kLanes)
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] = block[i + l] > lanes[l] ? block[i + l] : lanes[l];
  for (; i < block.size(); ++i) lanes[0] = std::max(lanes[0], block[i]);
  return *std::ranges::max_element(lanes);
}

std::vector<float> block_maxima(std::span<const float> logits) {
  std::vector<float> maxima;
  maxima.reserve(logits.size() / kBlock + 1);
  for (std::size_t i = 0; i < logits.size(); i += kBlock)
    maxima.push_back(block_max(logits.subspan(i, std::min(kBlock, logits.size() - i))));
  return maxima;
}

bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

float lower_bound_of_kth(std::vector<float> maxima, std::size_t k) {
  if (k > maxima.size()) return kNever;
  const auto kth = maxima.begin() + static_cast<std::ptrdiff_t>(k) - 1;
  std::ranges::nth_element(maxima, kth, std::greater());
  return *kth;
}

std::vector<Candidate> at_least(std::span<const float> logits, std::span<const float> maxima, float floor) {
  std::vector<Candidate> candidates;
  for (std::size_t block = 0; block < maxima.size(); ++block) {
    if (maxima[block] < floor) continue;
    const std::size_t begin = block * kBlock;
    for (std::size_t i = begin; i < std::min(begin + kBlock, logits.size()); ++i)
      if (logits[i] >= floor) candidates.push_back({static_cast<Token>(i), logits[i]});
  }
  return candidates;
}

}  // namespace

bool all_usable(std::span<const float> logits) {
  // NaN compares false; -infinity is allowed: a token that the model never says.
  std::array<unsigned, kLanes> bad{};
  std::size_t i = 0;
  const float limit = std::numeric_limits<float>::infinity();
  for (; i + kLanes <= logits.size(); i += kLanes)
    for (std::size_t l = 0; l < kLanes; ++l) bad[l] |= static_cast<unsigned>(!(logits[i + l] < limit));
  for (; i < logits.size(); ++i) bad[0] |= static_cast<unsigned>(!(logits[i] < limit));
  return std::ranges::all_of(bad, [](unsigned b) { return b == 0; });
}

Token best_token(std::span<const float> logits) {
  const std::vector<float> maxima = block_maxima(logits);
  const auto block = std::ranges::max_element(maxima);
  const auto begin = logits.begin() + (block - maxima.begin()) * static_cast<std::ptrdiff_t>(kBlock);
  return static_cast<Token>(std::find(begin, logits.end(), *block) - logits.begin());
}

std::vector<Candidate> largest(std::span<const float> logits, int k) {
  const std::size_t want = k <= 0 ? logits.size() : std::min(logits.size(), static_cast<std::size_t>(k));
  const std::vector<float> maxima = block_maxima(logits);
  std::vector<Candidate> candidates = at_least(logits, maxima, lower_bound_of_kth(maxima, want));
  const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(want);
  std::ranges::partial_sort(candidates, end, better);
  candidates.erase(end, candidates.end());
  return candidates;
}

std::vector<Candidate> largest_from(std::span<const float> logits, float floor) {
  std::vector<Candidate> candidates = at_least(logits, block_maxima(logits), floor);
  std::ranges::sort(candidates, better);
  return candidates;
}

std::vector<Candidate> every(std::span<const float> logits) {
  return at_least(logits, block_maxima(logits), std::numeric_limits<float>::lowest());
}

double log_sum_exp(std::span<const float> logits) {
  const std::vector<float> maxima = block_maxima(logits);
  const float top = *std::ranges::max_element(maxima);
  double sum = 0;
  for (float logit : logits) sum += std::exp(logit - top);
  return top + std::log(sum);
}

}  // namespace slipway::engine
