// Seeded randomness for decisions and tests: xoshiro256** (Blackman and Vigna, 2018), seeded by SplitMix64.
// Same seed, same sequence, on every machine. Never for secrets: those come from libsodium (random_bytes in
// ids.h).
#pragma once

#include <cstdint>

namespace slipway::base {

class Rng {
 public:
  explicit Rng(std::uint64_t seed);
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);  // uniform in [0, bound); bound > 0
  double unit();                             // uniform in [0, 1)

 private:
  std::uint64_t s_[4];
};

}  // namespace slipway::base
