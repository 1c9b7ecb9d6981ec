#include "base/ids.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace slipway::base {
namespace {

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::string_view kCrockfordLower = "0123456789abcdefghjkmnpqrstvwxyz";

// A pool a thread: one call to the generator serves about a hundred ids, and no lock is shared.
struct Pool {
  std::array<std::uint8_t, 1024> bytes;
  std::size_t used = sizeof(bytes);
};

void fill(std::span<std::uint8_t> out) {
  static const bool ready = sodium_init() >= 0;
  SLIPWAY_CHECK(ready);
  randombytes_buf(out.data(), out.size());
}

}  // namespace

void random_bytes(std::span<std::uint8_t> out) {
  thread_local Pool pool;
  if (out.size() > pool.bytes.size() / 8) return fill(out);
  if (pool.used + out.size() > pool.bytes.size()) {
    fill(pool.bytes);
    pool.used = 0;
  }
  const std::span<std::uint8_t> taken = std::span(pool.bytes).subspan(pool.used, out.size());
  std::ranges::copy(taken, out.begin());
  sodium_memzero(taken.data(), taken.size());  // a key's bytes do not stay behind
  pool.used += out.size();
}

std::string random_base32(std::size_t length) {
  std::string text(length, '0');
  std::string raw(length, '\0');
  random_bytes({reinterpret_cast<std::uint8_t*>(raw.data()), raw.size()});
  for (std::size_t i = 0; i < length; ++i) text[i] = kCrockfordLower[static_cast<std::uint8_t>(raw[i]) & 31];
  return text;
}

std::string make_ulid(WallTime now) {
  std::array<std::uint8_t, 16> random;
  random_bytes(random);
  std::string text(26, '0');
  auto ms = static_cast<std::uint64_t>(now.time_since_epoch().count());
  for (int i = 9; i >= 0; --i, ms >>= 5) text[static_cast<std::size_t>(i)] = kCrockford[ms & 31];
  for (std::size_t i = 0; i < random.size(); ++i) text[10 + i] = kCrockford[random[i] & 31];
  return text;
}

RequestId make_request_id(WallTime now) {
  return RequestId("req_" + make_ulid(now));
}

ReplicaId make_replica_id(std::string_view service_name) {
  return ReplicaId(std::string(service_name) + "-" + random_base32(5));
}

}  // namespace slipway::base
