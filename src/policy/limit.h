// Requests and tokens a minute of one key, as arithmetic on one number.
//
// Intuition (GCRA, the virtual-scheduling form of the leaky bucket, ITU-T I.371): instead of a fill level and
// the time of its last update, keep only the moment at which the bucket would be full again. Taking moves
// that moment into the future, time passing does the refilling, and the whole state is one integer that
// threads can swap atomically. A bucket holds one minute's worth, so a quiet key may spend its minute at
// once.
//
// Tokens are reserved at admission (bytes/3 for the prompt, max_tokens or 512 an answer) and settled when the
// request ends or is aborted; an answer longer than reserved leaves a debt that later requests wait for. A
// request larger than a whole minute is admitted by a full bucket and leaves the rest as debt, so that no
// limit makes a request impossible for ever. Units: Nanoseconds of a monotonic clock. Threads: none;
// gateway/limits.h holds the atomics.
#pragma once

#include <cstdint>
#include <optional>

namespace slipway::policy {

using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds kMinute = 60'000'000'000;
inline constexpr std::uint64_t kDefaultAnswerTokens = 512;
// Larger amounts count as this many: keeps every product below 2^63.
inline constexpr std::uint64_t kMaxAmount = 100'000'000;

struct Take {
  bool granted = true;
  Nanoseconds full_at = 0;      // the bucket's new state; unchanged when refused
  Nanoseconds retry_after = 0;  // when refused
};

// How long `per_minute` takes to refill `amount`.
Nanoseconds refill_time(std::uint32_t per_minute, std::uint64_t amount);

// per_minute 0 = no limit.
Take take(Nanoseconds full_at, Nanoseconds now, std::uint32_t per_minute, std::uint64_t amount);

// What settling adds to full_at: negative gives back.
Nanoseconds settlement(std::uint32_t per_minute, std::uint64_t reserved, std::uint64_t used);

// Tokens to reserve for a request: an estimate for its prompt, and for each of its `n` answers what it may be
// long.
std::uint64_t reservation(std::uint64_t body_bytes, std::optional<std::uint64_t> max_tokens,
                          std::uint64_t n = 1);

}  // namespace slipway::policy
