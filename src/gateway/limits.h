// The limit buckets of all keys: a fixed array of relaxed atomics that all gateway threads share without a
// lock.
//
// policy/limit.h does the arithmetic on values; here a compare-and-swap loop makes it safe between threads,
// so concurrent takers never get more than the limit. Ownership: the Gateway owns the table; an Admission
// gives back what it holds when it ends. Bounds: kMaxKeys slots; each loop retries only while another thread
// succeeds.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "domain/key.h"

namespace slipway::gateway {

class LimitTable;

// One request's hold on its key: a place under the concurrency limit, and a reservation of tokens. Movable;
// the default holds nothing. Ends by settle() or, for a request that used no tokens, by destruction.
class Admission {
 public:
  Admission() = default;
  Admission(Admission&& other) noexcept { swap(other); }
  Admission& operator=(Admission&& other) noexcept {
    Admission(std::move(other)).swap(*this);
    return *this;
  }
  ~Admission() { settle(0); }

  // Once a request. rate_limited with retry_after when the tokens are not there.
  base::Result<void> reserve(std::uint64_t tokens, base::MonotonicTime now);
  // What was really used; later calls do nothing.
  void settle(std::uint64_t tokens);

 private:
  friend class LimitTable;
  void swap(Admission& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(slot_, other.slot_);
    std::swap(tokens_per_minute_, other.tokens_per_minute_);
    std::swap(reserved_, other.reserved_);
  }
  LimitTable* table_ = nullptr;
  std::uint32_t slot_ = 0;
  std::uint32_t tokens_per_minute_ = 0;
  std::uint64_t reserved_ = 0;
};

class LimitTable {
 public:
  LimitTable();
  // Counts the request against requests a minute and concurrency. rate_limited (which names the limit in
  // `param`: "requests_per_minute", "concurrent") with retry_after.
  base::Result<Admission> admit(const domain::Key& key, base::MonotonicTime now);
  std::uint32_t running(std::uint32_t slot) const;

 private:
  friend class Admission;
  struct alignas(64) Buckets {
    std::atomic<std::int64_t> requests_full_at{0};
    std::atomic<std::int64_t> tokens_full_at{0};
    std::atomic<std::uint32_t> running{0};
  };
  std::unique_ptr<Buckets[]> buckets_;
};

}  // namespace slipway::gateway
