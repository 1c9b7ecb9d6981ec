#include "store/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/check.h"

namespace slipway::store {
namespace {

base::Error error_of(int result, const char* reason, const std::string& file) {
  using base::ErrorCode;
  ErrorCode code = ErrorCode::io_failed;
  switch (result & 0xFF) {  // the primary code
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      code = ErrorCode::state_corrupt;
      break;
    case SQLITE_FULL:
      code = ErrorCode::disk_full;
      break;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      code = ErrorCode::permission;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      code = ErrorCode::timeout;
      break;
    default:
      break;
  }
  return {code, fmt::format("{}: {} (SQLite {})", file, reason, result)};
}

base::Result<void> check(int result, sqlite3* handle, const std::string& file) {
  SLIPWAY_CHECK(result != SQLITE_MISUSE);
  if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW) return {};
  return error_of(sqlite3_extended_errcode(handle), sqlite3_errmsg(handle), file);
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)),
      file_(other.file_),
      failed_(std::move(other.failed_)),
      bound_(other.bound_) {}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

void Statement::bound(int result) {
  SLIPWAY_CHECK(failed_ || result == SQLITE_OK);
}

Statement& Statement::bind(std::string_view text) {
  const char* bytes = text.data() == nullptr ? "" : text.data();  // a null pointer would bind NULL
  bound(sqlite3_bind_text64(statement_, ++bound_, bytes, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  bound(sqlite3_bind_int64(statement_, ++bound_, number));
  return *this;
}

Statement& Statement::bind(std::span<const std::uint8_t> blob) {
  bound(sqlite3_bind_blob64(statement_, ++bound_, blob.data(), blob.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind(std::optional<std::int64_t> number) {
  if (number) return bind(*number);
  bound(sqlite3_bind_null(statement_, ++bound_));
  return *this;
}

base::Result<bool> Statement::step() {
  if (failed_) return *failed_;
  const int result = sqlite3_step(statement_);
  SLIPWAY_RETURN_IF_ERROR(check(result, sqlite3_db_handle(statement_), *file_));
  return result == SQLITE_ROW;
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return bytes == nullptr
             ? std::string()
             : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::optional<std::int64_t> Statement::optional_number(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return number(column);
}

std::vector<std::uint8_t> Statement::blob(int column) const {
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::vector<std::uint8_t>() : std::vector<std::uint8_t>(bytes, bytes + size);
}

Database::Database(sqlite3* handle, std::string file)
    : handle_(handle), file_(std::make_unique<std::string>(std::move(file))) {}

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), file_(std::move(other.file_)) {}

Database::~Database() {
  sqlite3_close(handle_);
}

base::Result<Database> Database::open(const std::filesystem::path& file, Mode mode) {
  const int flags =
      mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(file.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle, file.string());
  SLIPWAY_RETURN_IF_ERROR(check(result, handle, file.string()));
  sqlite3_busy_timeout(handle, static_cast<int>(kBusyTimeout.count()));
  if (mode == Mode::read_only) return database;
  SLIPWAY_RETURN_IF_ERROR(
      database.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA "
                       "trusted_schema=OFF;"));
  return database;
}

Statement Database::prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  const int result =
      sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  Statement prepared(statement, file_.get());
  if (auto status = check(result, handle_, *file_); !status) prepared.failed_ = std::move(status).error();
  return prepared;
}

base::Result<void> Database::execute(const std::string& sql) const {
  return check(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr), handle_, *file_);
}

base::Result<void> Database::check_integrity() const {
  Statement statement = prepare("PRAGMA integrity_check(1)");
  SLIPWAY_TRY(const bool row, statement.step());
  const std::string answer = row ? statement.text(0) : "no answer";
  if (answer == "ok") return {};
  return base::Error(base::ErrorCode::state_corrupt, fmt::format("{}: {}", *file_, answer));
}

int Database::changes() const {
  return sqlite3_changes(handle_);
}

base::Result<Transaction> Transaction::begin(const Database& database) {
  SLIPWAY_RETURN_IF_ERROR(database.execute("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_ != nullptr)
    (void)database_->execute("ROLLBACK");  // nothing more can be done about its failure
}

base::Result<void> Transaction::commit() {
  SLIPWAY_RETURN_IF_ERROR(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

base::Result<void> migrate(const Database& database, std::span<const std::string_view> migrations) {
  std::int64_t version = 0;
  {
    Statement statement = database.prepare("PRAGMA user_version");
    SLIPWAY_TRY(const bool row, statement.step());
    if (row) version = statement.number(0);
  }
  const auto known = static_cast<std::int64_t>(migrations.size());
  if (version > known)
    return base::Error(base::ErrorCode::state_corrupt,
                       fmt::format("{} was written by a newer Slipway (schema {}, this one knows {})",
                                   database.file(), version, known))
        .with_next("Install the newer Slipway again, or move the file away.");
  for (; version < known; ++version) {
    SLIPWAY_TRY(Transaction transaction, Transaction::begin(database));
    SLIPWAY_RETURN_IF_ERROR(database.execute(std::string(migrations[static_cast<std::size_t>(version)])));
    SLIPWAY_RETURN_IF_ERROR(database.execute(fmt::format("PRAGMA user_version={}", version + 1)));
    SLIPWAY_RETURN_IF_ERROR(transaction.commit());
  }
  return {};
}

}  // namespace slipway::store
