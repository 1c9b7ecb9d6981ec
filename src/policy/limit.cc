#include "policy/limit.h"

#include <algorithm>

namespace slipway::policy {

Nanoseconds refill_time(std::uint32_t per_minute, std::uint64_t amount) {
  if (per_minute == 0) return 0;
  return static_cast<Nanoseconds>(std::min(amount, kMaxAmount) * static_cast<std::uint64_t>(kMinute) /
                                  per_minute);
}

Take take(Nanoseconds full_at, Nanoseconds now, std::uint32_t per_minute, std::uint64_t amount) {
  if (per_minute == 0) return {.granted = true, .full_at = full_at};
  const Nanoseconds missing = std::max<Nanoseconds>(0, full_at - now);
  const Nanoseconds cost = std::max<Nanoseconds>(1, refill_time(per_minute, amount));
  const Nanoseconds room = std::max<Nanoseconds>(0, kMinute - std::min(cost, kMinute));
  if (missing > room) return {.granted = false, .full_at = full_at, .retry_after = missing - room};
  return {.granted = true, .full_at = now + missing + cost};
}

Nanoseconds settlement(std::uint32_t per_minute, std::uint64_t reserved, std::uint64_t used) {
  return refill_time(per_minute, used) - refill_time(per_minute, reserved);
}

std::uint64_t reservation(std::uint64_t body_bytes, std::optional<std::uint64_t> max_tokens,
                          std::uint64_t n) {
  const std::uint64_t answer = std::min(max_tokens.value_or(kDefaultAnswerTokens), kMaxAmount);
  return std::min(kMaxAmount, body_bytes / 3 + answer * std::clamp<std::uint64_t>(n, 1, kMaxAmount));
}

}  // namespace slipway::policy
