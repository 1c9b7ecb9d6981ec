// API keys in state.db (domain/key.h says what a key is): made once, shown once, kept as SHA-256.
//
// The last 4 characters of a key are a checksum, so a mistyped or made-up key is refused without a look-up,
// and scanners for leaked keys can tell real ones. Slots: a key keeps its index into the limit buckets for
// its life. A slot is given to a new key only kSlotRest after its last owner was revoked or expired, so no
// request of the old key still counts in it. Threads: one at a time, like the Database. Bounds: kMaxKeys live
// keys; revoked and expired ones are kept kKeptAfterEnd.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/key.h"
#include "store/audit.h"
#include "store/sqlite.h"

namespace slipway::store {

inline constexpr std::string_view kKeyPrefix = "sk-slip-";
inline constexpr std::size_t kKeyLength = 8 + 32 + 4;
inline constexpr std::chrono::hours kSlotRest{1};
inline constexpr std::chrono::hours kKeptAfterEnd{24 * 90};

// Shape and checksum; says nothing about whether the key exists. Never allocates.
bool is_well_formed_key(std::string_view text);
// SHA-256 of the whole text: what KeySet is keyed by.
domain::KeyDigest key_digest(std::string_view text);
// A fresh key's text: 160 random bits and the checksum.
std::string make_key_text();

struct NewKey {
  std::string name = {};                            // unique among live keys, 1 to 64 characters
  std::vector<std::string> models = {};             // empty = all
  std::vector<std::string> scopes = {"inference"};  // "inference", "admin"
  domain::KeyLimits limits = {};
  std::optional<base::WallTime> expires = {};  // in the future
};

struct CreatedKey {
  domain::Key key;
  std::string text;  // the only time it is seen
};

class KeyStore {
 public:
  // The database outlives the store and has state_migrations() applied.
  explicit KeyStore(const Database& database) : database_(&database) {}

  // Every change and every refusal is recorded in the audit log, a change in its own transaction.
  // name_conflict when a live key has that name; bad_value for a field or when kMaxKeys are live.
  base::Result<CreatedKey> create(const NewKey& wanted, base::WallTime now, const Actor& by);
  base::Result<std::vector<domain::Key>> list() const;  // by creation, revoked and expired ones too
  // By id or by a live key's name. not_found when neither; revoking twice is not an error.
  base::Result<domain::Key> revoke(std::string_view id_or_name, base::WallTime now, const Actor& by);
  // What the gateway reads: keys that are not revoked and have not been expired for longer than kSlotRest.
  base::Result<domain::KeySet> load(bool required, base::WallTime now) const;

 private:
  base::Result<CreatedKey> insert(const NewKey& wanted, base::WallTime now, AuditEntry entry);
  base::Result<domain::Key> mark_revoked(std::string_view id_or_name, AuditEntry entry);
  const Database* database_;
};

}  // namespace slipway::store
