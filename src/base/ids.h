// Strong ids, and the makers of the ids that people see.
// A RequestId cannot be passed where a ReplicaId is wanted, though both are strings.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"

namespace slipway::base {

template <class Tag>
class StrongId {
 public:
  StrongId() = default;
  explicit StrongId(std::string value) : value_(std::move(value)) {}
  const std::string& str() const { return value_; }
  bool empty() const { return value_.empty(); }
  auto operator<=>(const StrongId&) const = default;

 private:
  std::string value_;
};

using RequestId = StrongId<struct RequestIdTag>;  // "req_" + ULID
using ReplicaId = StrongId<struct ReplicaIdTag>;  // "<serviceName>-" + 5 base32 characters
using KeyId = StrongId<struct KeyIdTag>;          // "key_" + 10 base32 characters

// Bytes from the operating system's generator (libsodium); small requests come from a pool a thread.
// Thread-safe.
void random_bytes(std::span<std::uint8_t> out);

// Crockford base32, lower case, `length` characters of fresh randomness.
std::string random_base32(std::size_t length);
// ULID (ulid/spec): 48 bits of milliseconds, 80 bits of randomness, 26 Crockford characters; sorts by time.
std::string make_ulid(WallTime now);
RequestId make_request_id(WallTime now);
ReplicaId make_replica_id(std::string_view service_name);

}  // namespace slipway::base

template <class Tag>
struct std::hash<slipway::base::StrongId<Tag>> {
  std::size_t operator()(const slipway::base::StrongId<Tag>& id) const {
    return std::hash<std::string>{}(id.str());
  }
};
