#include "gateway/limits.h"

#include <chrono>
#include <string>

#include "base/check.h"
#include "policy/limit.h"

namespace slipway::gateway {
namespace {

using base::Error, base::ErrorCode, base::Result;
using std::chrono::milliseconds;

// A place under the concurrency limit frees when some answer ends; nobody knows when.
constexpr milliseconds kConcurrencyRetry{1000};

std::int64_t nanoseconds(base::MonotonicTime t) {
  return t.time_since_epoch().count();
}

milliseconds rounded_up(policy::Nanoseconds ns) {
  return milliseconds((ns + 999'999) / 1'000'000);
}

// Nothing else is published through these numbers, so relaxed order is enough.
policy::Take take_shared(std::atomic<std::int64_t>& full_at, std::int64_t now, std::uint32_t per_minute,
                         std::uint64_t amount) {
  std::int64_t seen = full_at.load(std::memory_order_relaxed);
  while (true) {
    const policy::Take taken = policy::take(seen, now, per_minute, amount);
    if (!taken.granted || taken.full_at == seen) return taken;
    if (full_at.compare_exchange_weak(seen, taken.full_at, std::memory_order_relaxed)) return taken;
  }
}

Error over(std::string_view limit, std::uint32_t value, std::string_view unit, milliseconds retry_after) {
  return Error(ErrorCode::rate_limited, "this key may use " + std::to_string(value) + " " + std::string(unit))
      .with_param(std::string(limit))
      .with_retry_after(retry_after);
}

}  // namespace

LimitTable::LimitTable() : buckets_(std::make_unique<Buckets[]>(domain::kMaxKeys)) {}

std::uint32_t LimitTable::running(std::uint32_t slot) const {
  SLIPWAY_CHECK(slot < domain::kMaxKeys);
  return buckets_[slot].running.load(std::memory_order_relaxed);
}

Result<Admission> LimitTable::admit(const domain::Key& key, base::MonotonicTime now) {
  SLIPWAY_CHECK(key.slot < domain::kMaxKeys);
  Buckets& b = buckets_[key.slot];
  const domain::KeyLimits& limits = key.limits;
  Admission held;
  held.table_ = this;
  held.slot_ = key.slot;
  held.tokens_per_minute_ = limits.tokens_per_minute;
  const std::uint32_t before = b.running.fetch_add(1, std::memory_order_relaxed);
  if (limits.concurrent != 0 && before >= limits.concurrent)
    return over("concurrent", limits.concurrent, "requests at once", kConcurrencyRetry);
  const policy::Take taken = take_shared(b.requests_full_at, nanoseconds(now), limits.requests_per_minute, 1);
  if (!taken.granted)
    return over("requests_per_minute", limits.requests_per_minute, "requests a minute",
                rounded_up(taken.retry_after));
  return held;
}

Result<void> Admission::reserve(std::uint64_t tokens, base::MonotonicTime now) {
  if (!table_ || tokens_per_minute_ == 0) return {};
  auto& full_at = table_->buckets_[slot_].tokens_full_at;
  const policy::Take taken = take_shared(full_at, nanoseconds(now), tokens_per_minute_, tokens);
  if (!taken.granted)
    return over("tokens_per_minute", tokens_per_minute_,
                "tokens a minute, and this request may need " + std::to_string(tokens),
                rounded_up(taken.retry_after));
  reserved_ = tokens;
  return {};
}

void Admission::settle(std::uint64_t tokens) {
  if (!table_) return;
  auto& buckets = table_->buckets_[slot_];
  if (reserved_ != 0)
    buckets.tokens_full_at.fetch_add(policy::settlement(tokens_per_minute_, reserved_, tokens),
                                     std::memory_order_relaxed);
  buckets.running.fetch_sub(1, std::memory_order_relaxed);
  table_ = nullptr;
}

}  // namespace slipway::gateway
