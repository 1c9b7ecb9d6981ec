// API keys as the gateway sees them: digests and limits, never the keys.
//
// A key is "sk-slip-" + 32 base32 characters of randomness + 4 characters of checksum. Only SHA-256 of the
// whole text is stored (the key has 160 bits of entropy, so a slow hash adds nothing); the last 4 characters
// are kept as a hint.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace slipway::domain {

using KeyDigest = std::array<std::uint8_t, 32>;

struct KeyLimits {
  std::uint32_t requests_per_minute = 0;  // 0 = no limit, in all three
  std::uint32_t tokens_per_minute = 0;
  std::uint32_t concurrent = 0;
};

struct Key {
  base::KeyId id;
  std::string name;  // a person's word for it
  std::string hint;  // last 4 characters
  KeyDigest digest{};
  std::vector<std::string> models;  // model ids it may use; empty = all
  std::vector<std::string> scopes;  // "inference", "admin"
  KeyLimits limits;
  base::WallTime created{};
  std::optional<base::WallTime> expires;
  std::optional<base::WallTime> revoked;
  std::uint32_t slot = 0;  // index into the fixed array of limit buckets; stable for the key's life
};

inline constexpr std::uint32_t kMaxKeys = 4096;

struct KeyDigestHash {
  std::size_t operator()(const KeyDigest& d) const {
    std::size_t h;
    static_assert(sizeof(h) <= sizeof(KeyDigest));
    __builtin_memcpy(&h, d.data(), sizeof(h));
    return h;
  }
};

// Immutable once published. Revoked keys are left out; expired ones are checked at use.
struct KeySet {
  bool required = false;  // off loopback always true
  std::unordered_map<KeyDigest, Key, KeyDigestHash> keys;
};

}  // namespace slipway::domain
