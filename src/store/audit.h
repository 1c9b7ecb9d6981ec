// The audit log of one environment: who changed its keys, its models and the daemon itself, when, and how it
// ended. A table of state.db, so that a record is written in the transaction of the change that it is about.
//
// Append-only and chained. A record is one JSON object with sorted keys and no white space:
//
//   {"action":"key.create","at":"2026-11-27T06:21:14.123Z","by":{"pid":4711,"uid":1000,"via":"control"},
//    "details":{...},"number":7,"outcome":"done","previous":"<hash of record 6>","subject":"key_..."}
//
// Its hash is BLAKE2b-256 of these bytes, in hex; before the first record there are 64 zeros. Walking the
// chain finds a record that was changed, taken out or put in. It cannot find that the last records were cut
// off, or that somebody who may write the file made the whole chain anew: for that, compare with a hash that
// was kept elsewhere.
//
// No secret is recorded: of a key its id, of values their hash. Nothing is removed; a record takes about half
// a kilobyte. Threads: one at a time, like the Database. Failure: of the Database.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/result.h"
#include "base/time.h"
#include "store/sqlite.h"

namespace slipway::store {

inline constexpr std::size_t kMaxAuditSubject = 256;   // bytes; more is cut
inline constexpr std::size_t kMaxAuditDetails = 4096;  // bytes of JSON; more is replaced by its hash

struct Actor {
  std::string via = "daemon";  // "control": a caller of its socket; "signal"; "daemon": itself
  std::optional<std::uint32_t> uid = {};
  std::optional<std::int32_t> pid = {};
};

// Outcomes beside the symbol of an error.
inline constexpr std::string_view kBegun = "begun";  // accepted; another record says how it ended
inline constexpr std::string_view kDone = "done";
inline constexpr std::string_view kJoined = "joined";        // the same was under way already
inline constexpr std::string_view kUnchanged = "unchanged";  // it was so already

struct AuditEntry {
  base::WallTime at;
  Actor by;
  std::string action;   // "key.create", "key.revoke", "deploy", "undeploy", "start", "down"
  std::string subject;  // the id of a key or model, the environment
  nlohmann::json details = nlohmann::json::object();
  std::string outcome{kDone};
};

struct AuditRecord {
  std::int64_t number = 0;  // 1 is the first
  std::string text;         // the JSON object, byte by byte as it was hashed
  std::string hash;
};

struct AuditCheck {
  std::int64_t records = 0;
  std::string head;         // the last record's hash
  std::int64_t broken = 0;  // the first record that is wrong or missing; 0: none
  std::string why = {};     // what is wrong with it
};

// BLAKE2b-256 in hex.
std::string audit_hash(std::string_view text);

class AuditLog {
 public:
  // The database outlives the log and has state_migrations() applied.
  explicit AuditLog(const Database& database) : database_(&database) {}

  // One statement: in the caller's transaction, if there is one.
  base::Result<void> append(const AuditEntry& entry);
  // Walks the chain from the first record; `each` gets every record, in order, also after a break.
  // not_found: the database is of a Slipway that had no audit log.
  base::Result<AuditCheck> check(const std::function<void(const AuditRecord&)>& each = {}) const;

 private:
  base::Result<AuditRecord> last() const;  // number 0 where there is none
  const Database* database_;
};

}  // namespace slipway::store
