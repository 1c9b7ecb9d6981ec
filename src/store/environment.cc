#include "store/environment.h"

#include <fmt/format.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace slipway::store {
namespace {

// Never change a script that was released; add one. Times are milliseconds since the epoch.
constexpr auto kMigrations = std::to_array<std::string_view>({
    R"sql(
      CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
      CREATE TABLE deployments (
        model_id TEXT PRIMARY KEY, model_values TEXT NOT NULL, source TEXT NOT NULL, replicas INTEGER,
        created_ms INTEGER NOT NULL) STRICT;
      CREATE TABLE keys (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, hint TEXT NOT NULL, digest BLOB NOT NULL UNIQUE,
        models TEXT NOT NULL, scopes TEXT NOT NULL,
        requests_per_minute INTEGER NOT NULL, tokens_per_minute INTEGER NOT NULL, concurrent INTEGER NOT NULL,
        created_ms INTEGER NOT NULL, expires_ms INTEGER, revoked_ms INTEGER, slot INTEGER NOT NULL) STRICT;
    )sql",
    R"sql(
      CREATE TABLE receipts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, json TEXT NOT NULL,
        at_ms INTEGER NOT NULL) STRICT;
    )sql",
    R"sql(
      CREATE TABLE audit (number INTEGER PRIMARY KEY, record TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
      CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
      CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
    )sql",
});

bool valid_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 32 && name.front() >= 'a' && name.front() <= 'z' &&
         std::ranges::all_of(name, allowed);
}

base::Result<std::filesystem::path> checked_socket(std::filesystem::path path) {
  constexpr std::size_t kMax = sizeof(sockaddr_un::sun_path) - 1;
  if (path.native().size() <= kMax) return path;
  return base::Error(base::ErrorCode::bad_value,
                     fmt::format("the socket path {} has {} bytes, a unix socket takes {}", path.string(),
                                 path.native().size(), kMax))
      .with_next(
          "Set XDG_RUNTIME_DIR (or SLIPWAY_HOME) to a shorter directory, or choose a shorter environment "
          "name.");
}

base::WallTime wall(std::int64_t ms) {
  return base::WallTime(std::chrono::milliseconds(ms));
}

std::int64_t millis(base::WallTime t) {
  return t.time_since_epoch().count();
}

base::Result<std::optional<std::string>> read_meta(const Database& database, std::string_view name) {
  Statement statement = database.prepare("SELECT value FROM meta WHERE name = ?");
  SLIPWAY_TRY(const bool row, statement.bind(name).step());
  if (!row) return std::optional<std::string>();
  return std::optional(statement.text(0));
}

base::Result<void> write_meta(const Database& database, std::string_view name, std::string_view value) {
  Statement statement = database.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
  SLIPWAY_RETURN_IF_ERROR(statement.bind(name).bind(value).step());
  return {};
}

// The database is opened read-only by whoever asks; the holder may be writing it.
base::Result<Holder> read_holder(const EnvironmentPaths& paths) {
  SLIPWAY_TRY(const Database database, Database::open(paths.state_db, Database::Mode::read_only));
  SLIPWAY_TRY(const auto pid, read_meta(database, "pid"));
  SLIPWAY_TRY(const auto started, read_meta(database, "started_ms"));
  return Holder{pid ? std::atoll(pid->c_str()) : 0, wall(started ? std::atoll(started->c_str()) : 0)};
}

base::Result<Database> open_state(const EnvironmentPaths& paths) {
  SLIPWAY_TRY(Database database, Database::open(paths.state_db));
  SLIPWAY_RETURN_IF_ERROR(database.check_integrity());
  SLIPWAY_RETURN_IF_ERROR(migrate(database, kMigrations));
  return database;
}

}  // namespace

std::span<const std::string_view> state_migrations() {
  return kMigrations;
}

base::Result<EnvironmentPaths> environment_paths(const io::Paths& paths, std::string_view name) {
  if (!valid_name(name))
    return base::Error(
        base::ErrorCode::bad_value,
        fmt::format("\"{}\" is not an environment name: 1 to 32 of a-z, 0-9 and '-', starting with a "
                    "letter",
                    name));
  EnvironmentPaths out;
  out.directory = paths.state / name;
  out.lock = out.directory / "lock";
  out.state_db = out.directory / "state.db";
  out.logs = out.directory / "logs";
  SLIPWAY_TRY(out.control_socket, checked_socket(paths.runtime / fmt::format("{}.sock", name)));
  out.workers = paths.runtime / fmt::format("{}.workers", name);
  return out;
}

base::Result<std::filesystem::path> worker_socket(const EnvironmentPaths& paths,
                                                  std::string_view replica_id) {
  return checked_socket(paths.workers / fmt::format("{}.sock", replica_id));
}

Environment::Environment(EnvironmentPaths paths, io::FileLock lock, Database database)
    : paths_(std::move(paths)), lock_(std::move(lock)), database_(std::move(database)) {}

base::Result<Environment> Environment::open(const io::Paths& paths, std::string_view name,
                                            base::WallTime now) {
  SLIPWAY_TRY(EnvironmentPaths where, environment_paths(paths, name));
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(where.directory));
  SLIPWAY_TRY(auto lock, io::FileLock::try_lock(where.lock));
  if (!lock) {
    const auto other = read_holder(where);
    return base::Error(
        base::ErrorCode::already_running,
        fmt::format("environment {} is in use by {}", name,
                    other && other->pid > 0 ? fmt::format("pid {}", other->pid) : "another process"));
  }
  SLIPWAY_TRY(Database database, open_state(where));
  SLIPWAY_RETURN_IF_ERROR(write_meta(database, "pid", std::to_string(::getpid())));
  SLIPWAY_RETURN_IF_ERROR(write_meta(database, "started_ms", std::to_string(millis(now))));
  return Environment(std::move(where), std::move(*lock), std::move(database));
}

base::Result<std::optional<Holder>> Environment::holder(const io::Paths& paths, std::string_view name) {
  SLIPWAY_TRY(const EnvironmentPaths where, environment_paths(paths, name));
  std::error_code ignored;
  if (!std::filesystem::exists(where.lock, ignored)) return std::optional<Holder>();
  SLIPWAY_TRY(const auto lock, io::FileLock::try_lock(where.lock));
  if (lock) return std::optional<Holder>();
  SLIPWAY_TRY(const Holder found, read_holder(where));
  return std::optional(found);
}

base::Result<void> Environment::put_deployment(const Deployment& deployment,
                                               const std::optional<AuditEntry>& why) {
  SLIPWAY_TRY(Transaction transaction, Transaction::begin(database_));
  Statement statement = database_.prepare(
      "INSERT OR REPLACE INTO deployments (model_id, model_values, source, replicas, created_ms) VALUES "
      "(?,?,?,?,?)");
  statement.bind(deployment.model_id).bind(deployment.values).bind(deployment.source);
  statement.bind(deployment.replicas ? std::optional<std::int64_t>(*deployment.replicas) : std::nullopt);
  SLIPWAY_RETURN_IF_ERROR(statement.bind(millis(deployment.created)).step());
  if (why) SLIPWAY_RETURN_IF_ERROR(audit().append(*why));
  return transaction.commit();
}

base::Result<bool> Environment::remove_deployment(std::string_view model_id,
                                                  const std::optional<AuditEntry>& why) {
  SLIPWAY_TRY(Transaction transaction, Transaction::begin(database_));
  Statement statement = database_.prepare("DELETE FROM deployments WHERE model_id = ?");
  SLIPWAY_RETURN_IF_ERROR(statement.bind(model_id).step());
  const bool was_there = database_.changes() > 0;
  if (why) SLIPWAY_RETURN_IF_ERROR(audit().append(*why));
  SLIPWAY_RETURN_IF_ERROR(transaction.commit());
  return was_there;
}

base::Result<std::vector<Deployment>> Environment::deployments() const {
  Statement statement = database_.prepare(
      "SELECT model_id, model_values, source, replicas, created_ms FROM deployments ORDER BY model_id");
  std::vector<Deployment> all;
  while (true) {
    SLIPWAY_TRY(const bool row, statement.step());
    if (!row) return all;
    const auto replicas = statement.optional_number(3);
    all.push_back({.model_id = statement.text(0),
                   .values = statement.text(1),
                   .source = statement.text(2),
                   .replicas = replicas ? std::optional(static_cast<int>(*replicas)) : std::nullopt,
                   .created = wall(statement.number(4))});
  }
}

base::Result<void> Environment::set_setting(std::string_view name, std::string_view value) {
  return write_meta(database_, fmt::format("setting.{}", name), value);
}

base::Result<std::optional<std::string>> Environment::setting(std::string_view name) const {
  return read_meta(database_, fmt::format("setting.{}", name));
}

base::Result<std::int64_t> Environment::add_receipt(std::string_view what, std::string_view json,
                                                    base::WallTime now,
                                                    const std::optional<AuditEntry>& why) {
  SLIPWAY_TRY(Transaction transaction, Transaction::begin(database_));
  std::int64_t number = 0;
  {
    Statement insert =
        database_.prepare("INSERT INTO receipts (what, json, at_ms) VALUES (?,?,?) RETURNING number");
    SLIPWAY_TRY(const bool row, insert.bind(what).bind(json).bind(millis(now)).step());
    if (row) number = insert.number(0);
    SLIPWAY_RETURN_IF_ERROR(insert.step());
    Statement prune = database_.prepare("DELETE FROM receipts WHERE number <= ?");
    SLIPWAY_RETURN_IF_ERROR(prune.bind(number - kKeptReceipts).step());
  }
  if (why) SLIPWAY_RETURN_IF_ERROR(audit().append(*why));
  SLIPWAY_RETURN_IF_ERROR(transaction.commit());
  return number;
}

base::Result<std::vector<Receipt>> Environment::receipts() const {
  Statement statement =
      database_.prepare("SELECT number, what, json, at_ms FROM receipts ORDER BY number DESC");
  std::vector<Receipt> all;
  while (true) {
    SLIPWAY_TRY(const bool row, statement.step());
    if (!row) return all;
    all.push_back({statement.number(0), statement.text(1), statement.text(2), wall(statement.number(3))});
  }
}

}  // namespace slipway::store
