// Indexes into the gateway's fixed array of in-flight counters: stable for a replica's life, reused only
// after it.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "domain/replica.h"

namespace slipway::control {

class Slots {
 public:
  // The lowest free one; nullopt when all are taken.
  std::optional<std::uint32_t> take() {
    for (std::uint32_t i = 0; i < domain::kMaxReplicas; ++i)
      if (!taken_.test(i)) {
        taken_.set(i);
        return i;
      }
    return std::nullopt;
  }
  void give_back(std::uint32_t slot) { taken_.reset(slot); }
  std::size_t free() const { return domain::kMaxReplicas - taken_.count(); }

 private:
  std::bitset<domain::kMaxReplicas> taken_;
};

}  // namespace slipway::control
