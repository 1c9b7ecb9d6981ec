// One environment's state on disk: <state>/<name>/{lock, state.db, logs/}. Holding the lock is being alive,
// and only its holder writes. What is stored is what was asked for (deployments, keys) and what was done
// (receipts); everything else is derived from it anew at each start, so no step on this target needs a
// journal.
//
// Ownership: an Environment holds the lock and the database until it is destroyed; a crash frees both.
// Threads: one at a time (the daemon's control loop). Failure: already_running, state_corrupt naming the
// file, permission, disk_full, bad_value for a name or path.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "io/files.h"
#include "store/audit.h"
#include "store/sqlite.h"

namespace slipway::store {

// Where things are. Pure; nothing is created.
struct EnvironmentPaths {
  std::filesystem::path directory;  // <state>/<name>
  std::filesystem::path lock;
  std::filesystem::path state_db;
  std::filesystem::path logs;            // directory, see logs.h
  std::filesystem::path control_socket;  // <runtime>/<name>.sock
  std::filesystem::path workers;         // <runtime>/<name>.workers: one socket a replica
};
// Names: 1 to 32 of a-z, 0-9, '-', starting with a letter. A path too long for a unix socket is bad_value.
base::Result<EnvironmentPaths> environment_paths(const io::Paths& paths, std::string_view name);
base::Result<std::filesystem::path> worker_socket(const EnvironmentPaths& paths, std::string_view replica_id);

// A model that was asked for. `values` is the text of the values file, so that a restart needs no file.
struct Deployment {
  std::string model_id;
  std::string values;
  std::string source;           // the file's path or the catalogue's name, for people
  std::optional<int> replicas;  // overrides the file's
  base::WallTime created{};
};

struct Receipt {
  std::int64_t number = 0;
  std::string what;  // "down", "undeploy"
  std::string json;
  base::WallTime at{};
};
inline constexpr int kKeptReceipts = 100;

struct Holder {  // who is alive
  std::int64_t pid = 0;
  base::WallTime started{};
};

class Environment {
 public:
  // Takes the lock, opens state.db, checks it, migrates it, writes the holder. already_running names the
  // holder's pid.
  static base::Result<Environment> open(const io::Paths& paths, std::string_view name, base::WallTime now);
  // The holder, or nullopt when nobody holds the lock. Reads only.
  static base::Result<std::optional<Holder>> holder(const io::Paths& paths, std::string_view name);

  const EnvironmentPaths& paths() const { return paths_; }
  const Database& database() const { return database_; }
  AuditLog audit() const { return AuditLog(database_); }

  // `why`, here and below: the audit log's record of this change, written in the same transaction.
  // Replaces the one of that model id.
  base::Result<void> put_deployment(const Deployment& deployment, const std::optional<AuditEntry>& why = {});
  // False: there was none.
  base::Result<bool> remove_deployment(std::string_view model_id, const std::optional<AuditEntry>& why = {});
  base::Result<std::vector<Deployment>> deployments() const;  // ordered by model id

  base::Result<void> set_setting(std::string_view name, std::string_view value);
  base::Result<std::optional<std::string>> setting(std::string_view name) const;

  // Returns its number. The oldest beyond kKeptReceipts are removed.
  base::Result<std::int64_t> add_receipt(std::string_view what, std::string_view json, base::WallTime now,
                                         const std::optional<AuditEntry>& why = {});
  base::Result<std::vector<Receipt>> receipts() const;  // newest first

 private:
  Environment(EnvironmentPaths paths, io::FileLock lock, Database database);
  EnvironmentPaths paths_;
  io::FileLock lock_;
  Database database_;
};

// The schema of state.db, one script a version.
std::span<const std::string_view> state_migrations();

}  // namespace slipway::store
