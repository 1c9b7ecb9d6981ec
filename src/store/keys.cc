#include "store/keys.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"

namespace slipway::store {
namespace {

using base::ErrorCode;
using domain::Key;

constexpr std::string_view kAlphabet =
    "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford, as base::random_base32
constexpr std::size_t kChecksumLength = 4;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxModels = 256;

// The first 20 bits of SHA-256 as 4 characters.
std::array<char, kChecksumLength> checksum(std::string_view text) {
  const domain::KeyDigest digest = key_digest(text);
  const unsigned bits =
      static_cast<unsigned>(digest[0]) << 12 | static_cast<unsigned>(digest[1]) << 4 | digest[2] >> 4;
  std::array<char, kChecksumLength> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = kAlphabet[bits >> (15 - 5 * i) & 31];
  return out;
}

std::string to_json(const std::vector<std::string>& words) {
  return nlohmann::json(words).dump();
}

std::vector<std::string> from_json(const std::string& text) {
  const auto value = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::string> words;
  if (!value.is_array()) return words;
  for (const auto& word : value)
    if (word.is_string()) words.push_back(word.get<std::string>());
  return words;
}

std::optional<base::WallTime> optional_time(std::optional<std::int64_t> ms) {
  if (!ms) return std::nullopt;
  return base::WallTime(std::chrono::milliseconds(*ms));
}

std::optional<std::int64_t> optional_millis(const std::optional<base::WallTime>& time) {
  if (!time) return std::nullopt;
  return time->time_since_epoch().count();
}

constexpr std::string_view kColumns =
    "id, name, hint, digest, models, scopes, requests_per_minute, tokens_per_minute, concurrent, created_ms, "
    "expires_ms, "
    "revoked_ms, slot";

Key read_key(const Statement& row) {
  Key key;
  key.id = base::KeyId(row.text(0));
  key.name = row.text(1);
  key.hint = row.text(2);
  const auto digest = row.blob(3);
  if (digest.size() == key.digest.size()) std::ranges::copy(digest, key.digest.begin());
  key.models = from_json(row.text(4));
  key.scopes = from_json(row.text(5));
  key.limits = {.requests_per_minute = static_cast<std::uint32_t>(row.number(6)),
                .tokens_per_minute = static_cast<std::uint32_t>(row.number(7)),
                .concurrent = static_cast<std::uint32_t>(row.number(8))};
  key.created = base::WallTime(std::chrono::milliseconds(row.number(9)));
  key.expires = optional_time(row.optional_number(10));
  key.revoked = optional_time(row.optional_number(11));
  key.slot = static_cast<std::uint32_t>(row.number(12));
  return key;
}

base::Result<void> insert_key(const Database& database, const Key& key) {
  Statement statement =
      database.prepare(fmt::format("INSERT INTO keys ({}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", kColumns));
  statement.bind(key.id.str()).bind(key.name).bind(key.hint);
  statement.bind(std::span<const std::uint8_t>(key.digest))
      .bind(to_json(key.models))
      .bind(to_json(key.scopes));
  statement.bind(std::int64_t{key.limits.requests_per_minute})
      .bind(std::int64_t{key.limits.tokens_per_minute});
  statement.bind(std::int64_t{key.limits.concurrent}).bind(key.created.time_since_epoch().count());
  statement.bind(optional_millis(key.expires))
      .bind(optional_millis(key.revoked))
      .bind(std::int64_t{key.slot});
  SLIPWAY_RETURN_IF_ERROR(statement.step());
  return {};
}

// When a key stopped to be valid; nullopt while it is.
std::optional<base::WallTime> ended(const Key& key, base::WallTime now) {
  std::optional<base::WallTime> end = key.revoked;
  if (key.expires && *key.expires <= now && (!end || *key.expires < *end)) end = key.expires;
  return end;
}

bool live(const Key& key, base::WallTime now) {
  return !ended(key, now);
}

bool holds_slot(const Key& key, base::WallTime now) {
  const auto end = ended(key, now);
  return !end || now - *end < kSlotRest;
}

std::optional<std::uint32_t> free_slot(const std::vector<Key>& keys, base::WallTime now) {
  std::vector<bool> taken(domain::kMaxKeys, false);
  for (const Key& key : keys)
    if (key.slot < domain::kMaxKeys && holds_slot(key, now)) taken[key.slot] = true;
  const auto slot = std::ranges::find(taken, false);
  if (slot == taken.end()) return std::nullopt;
  return static_cast<std::uint32_t>(slot - taken.begin());
}

base::Result<void> check_wanted(const NewKey& wanted, base::WallTime now) {
  const auto bad = [](std::string message) { return base::Error(ErrorCode::bad_value, std::move(message)); };
  if (wanted.name.empty() || wanted.name.size() > kMaxNameBytes)
    return bad(fmt::format("a key's name has 1 to {} characters, this one has {}", kMaxNameBytes,
                           wanted.name.size()));
  if (wanted.name.starts_with("key_"))
    return bad("a key's name does not start with \"key_\": that is how ids look");
  if (wanted.scopes.empty()) return bad("a key needs a scope: inference or admin");
  for (const std::string& scope : wanted.scopes)
    if (scope != "inference" && scope != "admin")
      return bad(fmt::format("\"{}\" is not a scope; the scopes are inference and admin", scope));
  if (wanted.models.size() > kMaxModels) return bad(fmt::format("a key takes at most {} models", kMaxModels));
  if (wanted.expires && *wanted.expires <= now)
    return bad(fmt::format("the expiry {} is in the past", base::to_rfc3339(*wanted.expires)));
  return {};
}

Key make_key(const NewKey& wanted, std::string_view text, std::uint32_t slot, base::WallTime now) {
  Key key;
  key.id = base::KeyId("key_" + base::random_base32(10));
  key.name = wanted.name;
  key.hint = std::string(text.substr(text.size() - 4));
  key.digest = key_digest(text);
  key.models = wanted.models;
  key.scopes = wanted.scopes;
  key.limits = wanted.limits;
  key.created = now;
  key.expires = wanted.expires;
  key.slot = slot;
  return key;
}

base::Result<void> forget_old_keys(const Database& database, base::WallTime now) {
  Statement statement = database.prepare(
      "DELETE FROM keys WHERE min(coalesce(revoked_ms, expires_ms), "
      "coalesce(expires_ms, revoked_ms)) < ?");
  SLIPWAY_RETURN_IF_ERROR(statement.bind((now - kKeptAfterEnd).time_since_epoch().count()).step());
  return {};
}

// What a key may do, for the audit log.
nlohmann::json rights(const NewKey& key) {
  nlohmann::json out{{"name", key.name}, {"scopes", key.scopes}};
  if (!key.models.empty()) out["models"] = key.models;
  if (key.limits.requests_per_minute > 0) out["requests_per_minute"] = key.limits.requests_per_minute;
  if (key.limits.tokens_per_minute > 0) out["tokens_per_minute"] = key.limits.tokens_per_minute;
  if (key.limits.concurrent > 0) out["concurrent"] = key.limits.concurrent;
  if (key.expires) out["expires"] = base::to_rfc3339(*key.expires);
  return out;
}

// The caller hears why it was refused even where that cannot be written down.
void record_refusal(const Database& database, AuditEntry entry, const base::Error& error) {
  entry.outcome = base::info(error.code()).symbol;
  (void)AuditLog(database).append(entry);
}

}  // namespace

domain::KeyDigest key_digest(std::string_view text) {
  domain::KeyDigest digest;
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return digest;
}

bool is_well_formed_key(std::string_view text) {
  if (text.size() != kKeyLength || !text.starts_with(kKeyPrefix)) return false;
  const auto known = [](char c) { return kAlphabet.find(c) != std::string_view::npos; };
  if (!std::ranges::all_of(text.substr(kKeyPrefix.size()), known)) return false;
  return std::ranges::equal(checksum(text.substr(0, text.size() - kChecksumLength)),
                            text.substr(text.size() - kChecksumLength));
}

std::string make_key_text() {
  std::string text = std::string(kKeyPrefix) + base::random_base32(32);
  const auto sum = checksum(text);
  text.append(sum.begin(), sum.end());
  return text;
}

base::Result<CreatedKey> KeyStore::create(const NewKey& wanted, base::WallTime now, const Actor& by) {
  AuditEntry entry{
      .at = now, .by = by, .action = "key.create", .subject = wanted.name, .details = rights(wanted)};
  auto created = insert(wanted, now, entry);
  if (!created) record_refusal(*database_, std::move(entry), created.error());
  return created;
}

base::Result<CreatedKey> KeyStore::insert(const NewKey& wanted, base::WallTime now, AuditEntry entry) {
  SLIPWAY_RETURN_IF_ERROR(check_wanted(wanted, now));
  SLIPWAY_TRY(Transaction transaction, Transaction::begin(*database_));
  SLIPWAY_RETURN_IF_ERROR(forget_old_keys(*database_, now));
  SLIPWAY_TRY(const auto keys, list());
  for (const Key& key : keys)
    if (key.name == wanted.name && live(key, now))
      return base::Error(ErrorCode::name_conflict, fmt::format("a key named \"{}\" exists ({}, ends in {})",
                                                               key.name, key.id.str(), key.hint))
          .with_next(fmt::format("Use another name, or run: slipway keys revoke {}", key.id.str()));
  const auto slot = free_slot(keys, now);
  if (!slot)
    return base::Error(ErrorCode::bad_value,
                       fmt::format("all {} keys of this environment are in use", domain::kMaxKeys))
        .with_next(
            "Revoke keys that nobody uses (`slipway keys list`); their places are free an hour later.");
  const std::string text = make_key_text();
  Key key = make_key(wanted, text, *slot, now);
  SLIPWAY_RETURN_IF_ERROR(insert_key(*database_, key));
  entry.subject = key.id.str();
  SLIPWAY_RETURN_IF_ERROR(AuditLog(*database_).append(entry));
  SLIPWAY_RETURN_IF_ERROR(transaction.commit());
  return CreatedKey{std::move(key), text};
}

base::Result<std::vector<Key>> KeyStore::list() const {
  Statement statement =
      database_->prepare(fmt::format("SELECT {} FROM keys ORDER BY created_ms, id", kColumns));
  std::vector<Key> keys;
  while (true) {
    SLIPWAY_TRY(const bool row, statement.step());
    if (!row) return keys;
    keys.push_back(read_key(statement));
  }
}

base::Result<Key> KeyStore::revoke(std::string_view id_or_name, base::WallTime now, const Actor& by) {
  AuditEntry entry{.at = now, .by = by, .action = "key.revoke", .subject = std::string(id_or_name)};
  if (is_well_formed_key(id_or_name)) entry.subject = "(the text of a key)";
  auto revoked = mark_revoked(id_or_name, entry);
  if (!revoked) record_refusal(*database_, std::move(entry), revoked.error());
  return revoked;
}

base::Result<Key> KeyStore::mark_revoked(std::string_view id_or_name, AuditEntry entry) {
  const base::WallTime now = entry.at;
  SLIPWAY_TRY(Transaction transaction, Transaction::begin(*database_));
  SLIPWAY_TRY(const auto keys, list());
  const auto found = std::ranges::find_if(keys, [&](const Key& key) {
    return key.id.str() == id_or_name || (key.name == id_or_name && live(key, now));
  });
  if (found == keys.end())
    return base::Error(ErrorCode::not_found,
                       fmt::format("there is no key with the id or name \"{}\"", id_or_name))
        .with_next("Run: slipway keys list");
  Key key = *found;
  entry.subject = key.id.str();
  entry.details = {{"name", key.name}};
  if (key.revoked) {
    entry.outcome = kUnchanged;
  } else {
    Statement statement = database_->prepare("UPDATE keys SET revoked_ms = ? WHERE id = ?");
    SLIPWAY_RETURN_IF_ERROR(statement.bind(now.time_since_epoch().count()).bind(key.id.str()).step());
    key.revoked = now;
  }
  SLIPWAY_RETURN_IF_ERROR(AuditLog(*database_).append(entry));
  SLIPWAY_RETURN_IF_ERROR(transaction.commit());
  return key;
}

base::Result<domain::KeySet> KeyStore::load(bool required, base::WallTime now) const {
  SLIPWAY_TRY(auto keys, list());
  domain::KeySet set;
  set.required = required;
  for (Key& key : keys)
    if (!key.revoked && holds_slot(key, now)) set.keys.emplace(key.digest, std::move(key));
  return set;
}

}  // namespace slipway::store
