#include "store/audit.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>

namespace slipway::store {
namespace {

using base::Error, base::ErrorCode, base::Result;
using nlohmann::json;

constexpr std::size_t kHashBytes = 32;

// What the first record follows.
AuditRecord beginning() {
  return {.number = 0, .text = {}, .hash = std::string(2 * kHashBytes, '0')};
}

// Sorted keys and no white space: nlohmann's objects are ordered maps.
std::string canonical(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json actor_json(const Actor& by) {
  json out{{"via", by.via}};
  if (by.uid) out["uid"] = *by.uid;
  if (by.pid) out["pid"] = *by.pid;
  return out;
}

json bounded(const json& details) {
  const std::string text = canonical(details);
  if (text.size() <= kMaxAuditDetails) return details;
  return {{"bytes", text.size()}, {"hash", audit_hash(text)}};
}

std::string record_text(const AuditEntry& entry, const AuditRecord& before) {
  return canonical({{"number", before.number + 1},
                    {"previous", before.hash},
                    {"at", base::to_rfc3339(entry.at)},
                    {"by", actor_json(entry.by)},
                    {"action", entry.action},
                    {"subject", entry.subject.substr(0, kMaxAuditSubject)},
                    {"details", bounded(entry.details)},
                    {"outcome", entry.outcome}});
}

// What is wrong with a record that follows `before`; empty: nothing.
std::string wrong_with(const AuditRecord& record, const AuditRecord& before) {
  if (audit_hash(record.text) != record.hash) return "it is not what was written";
  const json value = json::parse(record.text, nullptr, false);
  if (!value.is_object() || value.value("number", json()) != record.number)
    return "it is not a record of that number";
  if (value.value("previous", json()) != before.hash)
    return fmt::format("it does not continue record {}, which was replaced", before.number);
  return {};
}

void judge(const AuditRecord& record, const AuditRecord& before, AuditCheck& check) {
  const std::int64_t expected = before.number + 1;
  check.why = record.number == expected
                  ? wrong_with(record, before)
                  : fmt::format("it is missing; record {} stands in its place", record.number);
  if (!check.why.empty()) check.broken = expected;
}

}  // namespace

std::string audit_hash(std::string_view text) {
  std::array<unsigned char, kHashBytes> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), nullptr, 0);
  return fmt::format("{:02x}", fmt::join(hash, ""));
}

Result<AuditRecord> AuditLog::last() const {
  Statement statement =
      database_->prepare("SELECT number, record, hash FROM audit ORDER BY number DESC LIMIT 1");
  SLIPWAY_TRY(const bool row, statement.step());
  if (!row) return beginning();
  return AuditRecord{statement.number(0), statement.text(1), statement.text(2)};
}

Result<void> AuditLog::append(const AuditEntry& entry) {
  SLIPWAY_TRY(const AuditRecord before, last());
  const std::string text = record_text(entry, before);
  Statement insert = database_->prepare("INSERT INTO audit (number, record, hash) VALUES (?,?,?)");
  insert.bind(before.number + 1).bind(text).bind(audit_hash(text));
  SLIPWAY_RETURN_IF_ERROR(insert.step());
  return {};
}

Result<AuditCheck> AuditLog::check(const std::function<void(const AuditRecord&)>& each) const {
  {
    Statement table = database_->prepare("SELECT 1 FROM sqlite_master WHERE name = 'audit'");
    SLIPWAY_TRY(const bool there, table.step());
    if (!there)
      return Error(ErrorCode::not_found, fmt::format("{} has no audit log", database_->file()))
          .with_next("It is of an older Slipway; the next `slipway up` begins one.");
  }
  AuditCheck check;
  AuditRecord before = beginning();
  Statement statement = database_->prepare("SELECT number, record, hash FROM audit ORDER BY number");
  while (true) {
    SLIPWAY_TRY(const bool row, statement.step());
    if (!row) break;
    AuditRecord record{statement.number(0), statement.text(1), statement.text(2)};
    if (check.broken == 0) judge(record, before, check);
    if (each) each(record);
    ++check.records;
    before = std::move(record);
  }
  check.head = before.hash;
  return check;
}

}  // namespace slipway::store
