#include "environment/journal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/ids.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using store::Database, store::Statement;

// Never change a script that was released; add one.
constexpr auto kMigrations = std::to_array<std::string_view>({R"sql(
  CREATE TABLE ownership (
    one INTEGER PRIMARY KEY CHECK (one = 1), account TEXT NOT NULL, region TEXT NOT NULL, blueprint TEXT NOT NULL,
    source TEXT NOT NULL, flags TEXT NOT NULL, slipway_version TEXT NOT NULL, kubernetes_version TEXT NOT NULL, life TEXT NOT NULL) STRICT;
  CREATE TABLE runs (
    id TEXT PRIMARY KEY, verb TEXT NOT NULL, pid INTEGER NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER,
    outcome TEXT) STRICT;
  CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, step TEXT NOT NULL, title TEXT NOT NULL,
    phase TEXT NOT NULL, evidence TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
  CREATE INDEX records_step ON records (step, seq);
  CREATE TABLE receipts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, json TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
)sql"});

// Records up to this number belong to a life that a finished `down` ended.
constexpr std::string_view kEndedAt = "ended_at";

std::int64_t millis(base::WallTime t) {
  return t.time_since_epoch().count();
}

Result<void> no_row(Result<bool> step) {
  if (!step) return std::move(step).error();
  return {};
}

// For tests only: see the header.
std::int64_t kill_at() {
  const char* const text = std::getenv("SLIPWAY_FAULT_KILL_AT");
  if (text == nullptr || std::getenv("SLIPWAY_HOME") == nullptr) return 0;
  std::int64_t seq = 0;
  std::from_chars(text, text + std::strlen(text), seq);
  return seq;
}

Error newer(const std::filesystem::path& file, std::int64_t version) {
  return Error(ErrorCode::state_newer, fmt::format("{} has version {}, this Slipway reads up to {}",
                                                   file.string(), version, kMigrations.size()));
}

Result<void> check_version(const Database& database, const std::filesystem::path& file) {
  Statement statement = database.prepare("PRAGMA user_version");
  SLIPWAY_TRY(const bool row, statement.step());
  if (row && statement.number(0) > static_cast<std::int64_t>(kMigrations.size()))
    return newer(file, statement.number(0));
  return {};
}

}  // namespace

Result<Journal> Journal::open(const std::filesystem::path& file) {
  SLIPWAY_TRY(Database database, Database::open(file));
  SLIPWAY_RETURN_IF_ERROR(check_version(database, file));
  SLIPWAY_RETURN_IF_ERROR(store::migrate(database, kMigrations));
  return Journal(std::move(database));
}

Result<Journal> Journal::open_read_only(const std::filesystem::path& file) {
  SLIPWAY_TRY(Database database, Database::open(file, Database::Mode::read_only));
  SLIPWAY_RETURN_IF_ERROR(check_version(database, file));
  return Journal(std::move(database));
}

Result<std::optional<Ownership>> Journal::ownership() const {
  Statement s = database_.prepare(
      "SELECT account, region, blueprint, source, flags, slipway_version, kubernetes_version, life FROM "
      "ownership");
  SLIPWAY_TRY(const bool row, s.step());
  if (!row) return std::optional<Ownership>();
  return std::optional(
      Ownership{s.text(0), s.text(1), s.text(2), s.text(3), s.text(4), s.text(5), s.text(6), s.text(7)});
}

Result<void> Journal::set_ownership(const Ownership& o) {
  Statement s = database_.prepare("INSERT OR REPLACE INTO ownership VALUES (1,?,?,?,?,?,?,?,?)");
  s.bind(o.account).bind(o.region).bind(o.blueprint).bind(o.source).bind(o.flags);
  return no_row(s.bind(o.slipway_version).bind(o.kubernetes_version).bind(o.life).step());
}

Result<void> Journal::begin_run(std::string_view verb, base::WallTime now) {
  run_ = base::make_ulid(now);
  Statement s = database_.prepare("INSERT INTO runs (id, verb, pid, started_ms) VALUES (?,?,?,?)");
  return no_row(s.bind(run_).bind(verb).bind(static_cast<std::int64_t>(::getpid())).bind(millis(now)).step());
}

Result<void> Journal::end_run(std::string_view outcome, base::WallTime now) {
  Statement s = database_.prepare("UPDATE runs SET ended_ms = ?, outcome = ? WHERE id = ?");
  SLIPWAY_RETURN_IF_ERROR(s.bind(millis(now)).bind(outcome).bind(run_).step());
  if (outcome != "gone") return {};
  Statement mark = database_.prepare(
      "INSERT OR REPLACE INTO marks VALUES (?, (SELECT COALESCE(MAX(seq), 0) FROM records))");
  return no_row(mark.bind(kEndedAt).step());
}

Result<std::int64_t> Journal::write(std::string_view step, std::string_view title, std::string_view phase,
                                    const Json& evidence) {
  static const std::int64_t kill = kill_at();
  std::int64_t seq = 0;
  {
    Statement s = database_.prepare(
        "INSERT INTO records (run, step, title, phase, evidence, at_ms) VALUES (?,?,?,?,?,?) RETURNING seq");
    s.bind(run_).bind(step).bind(title).bind(phase);
    s.bind(evidence.dump(-1, ' ', false, Json::error_handler_t::replace)).bind(millis(base::wall_now()));
    SLIPWAY_TRY(const bool row, s.step());
    if (row) seq = s.number(0);
    SLIPWAY_RETURN_IF_ERROR(s.step());
  }
  if (kill != 0 && seq == kill) std::raise(SIGKILL);
  return seq;
}

Result<std::optional<Json>> Journal::done(std::string_view step) const {
  Statement s = database_.prepare(
      "SELECT phase, evidence FROM records WHERE step = ? AND seq > COALESCE((SELECT value FROM marks WHERE "
      "name "
      "= ?), 0) ORDER BY seq DESC LIMIT 1");
  SLIPWAY_TRY(const bool row, s.bind(step).bind(kEndedAt).step());
  if (!row || s.text(0) != "done") return std::optional<Json>();
  return codec::parse_json(s.text(1));
}

Result<std::vector<Record>> Journal::records(std::size_t newest) const {
  Statement s = database_.prepare(
      "SELECT * FROM (SELECT seq, run, step, title, phase, evidence, at_ms FROM records ORDER BY seq DESC "
      "LIMIT ?) "
      "ORDER BY seq");
  s.bind(static_cast<std::int64_t>(newest));
  std::vector<Record> out;
  while (true) {
    SLIPWAY_TRY(const bool row, s.step());
    if (!row) return out;
    out.push_back({s.number(0), s.text(1), s.text(2), s.text(3), s.text(4),
                   codec::parse_json(s.text(5)).value_or(Json()),
                   base::WallTime(std::chrono::milliseconds(s.number(6)))});
  }
}

Result<void> Journal::add_receipt(std::string_view what, const Json& receipt, base::WallTime now) {
  Statement s = database_.prepare("INSERT INTO receipts (what, json, at_ms) VALUES (?,?,?)");
  return no_row(s.bind(what).bind(receipt.dump()).bind(millis(now)).step());
}

Result<std::optional<Json>> Journal::last_receipt(std::string_view what) const {
  Statement s = database_.prepare("SELECT json FROM receipts WHERE what = ? ORDER BY number DESC LIMIT 1");
  SLIPWAY_TRY(const bool row, s.bind(what).step());
  if (!row) return std::optional<Json>();
  return codec::parse_json(s.text(0));
}

}  // namespace slipway::environment
