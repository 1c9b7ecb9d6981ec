// SQLite as Results: a connection, statements, transactions. The only place with sqlite3 calls.
//
// Ownership: a Database closes itself; a Statement must not outlive it. Threads: one at a time.
// Failure: state_corrupt naming the file, disk_full, permission, timeout (another program holds the file for
// longer than kBusyTimeout), else io_failed. A statement that cannot be prepared (damaged schema) fails at
// its step().
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace slipway::store {

inline constexpr std::chrono::milliseconds kBusyTimeout{2000};

class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Parameters in order, starting at the first. Texts are copied.
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Statement& bind(std::span<const std::uint8_t> blob);
  Statement& bind(std::optional<std::int64_t> number);  // nullopt = NULL

  base::Result<bool> step();  // true: a row is there
  std::string text(int column) const;
  std::int64_t number(int column) const;
  std::optional<std::int64_t> optional_number(int column) const;  // NULL = nullopt
  std::vector<std::uint8_t> blob(int column) const;

 private:
  friend class Database;
  Statement(sqlite3_stmt* statement, const std::string* file) : statement_(statement), file_(file) {}
  void bound(int result);
  sqlite3_stmt* statement_;            // null when prepare failed
  const std::string* file_;            // the database's, for messages
  std::optional<base::Error> failed_;  // why, for the first step()
  int bound_ = 0;
};

class Database {
 public:
  enum class Mode { read_write, read_only };
  // Creates the file in read_write mode (its folder keeps others out). WAL, foreign keys, synchronous=FULL: a
  // committed change survives a power cut.
  static base::Result<Database> open(const std::filesystem::path& file, Mode mode = Mode::read_write);
  Database(Database&& other) noexcept;
  Database& operator=(Database&&) = delete;
  ~Database();

  Statement prepare(std::string_view sql) const;
  base::Result<void> execute(const std::string& sql) const;  // one or more statements without parameters
  // Reads every page; state_corrupt when one is bad. For databases of a few megabytes.
  base::Result<void> check_integrity() const;
  int changes() const;  // rows changed by the last statement
  const std::string& file() const { return *file_; }

 private:
  Database(sqlite3* handle, std::string file);
  sqlite3* handle_;
  std::unique_ptr<std::string> file_;  // at a fixed address, statements point to it
};

// Rolled back unless commit() succeeded.
class Transaction {
 public:
  static base::Result<Transaction> begin(const Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  ~Transaction();
  base::Result<void> commit();

 private:
  explicit Transaction(const Database* database) : database_(database) {}
  const Database* database_;
};

// Brings `database` from its user_version to the last of `migrations` (index 0 makes version 1), each in a
// transaction of its own. A database that is newer than this program is state_corrupt with that reason.
base::Result<void> migrate(const Database& database, std::span<const std::string_view> migrations);

}  // namespace slipway::store
