// What was done to an environment in the cloud, in order: one record before and one after every side effect.
//
// <state>/<environment>/journal.db. A run that was killed leaves a "begin" without an end: the next run does
// that step again (steps are idempotent) and skips those that are done and whose effect still holds.
// Committed means on disk: a record survives a power cut. Ownership: only the holder of the environment's
// lock writes. Threads: one. Failure: state_newer, state_corrupt, disk_full, permission.
//
// SLIPWAY_FAULT_KILL_AT=<seq> ends this process by SIGKILL once the record of that number is written; only
// together with SLIPWAY_HOME, for tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/json_view.h"
#include "store/sqlite.h"

namespace slipway::environment {

using codec::Json;

// Whose environment this is, and what it was made from.
struct Ownership {
  std::string account;
  std::string region;
  std::string blueprint;  // text of the tfvars file
  std::string source;     // its path
  std::string flags;      // "NAME=VALUE" lines that were given over it
  std::string slipway_version;
  std::string kubernetes_version;  // the one that was reached
  std::string life;                // "up", "going-down", "gone"
};

struct Record {
  std::int64_t seq = 0;
  std::string run, step, title;
  std::string phase;  // "begin", "done", "failed"
  Json evidence;
  base::WallTime at{};
};

class Journal {
 public:
  static base::Result<Journal> open(const std::filesystem::path& file);
  static base::Result<Journal> open_read_only(const std::filesystem::path& file);

  base::Result<std::optional<Ownership>> ownership() const;
  base::Result<void> set_ownership(const Ownership& ownership);

  // Runs are "up" and "down". A finished "down" ends the life of every record before it.
  base::Result<void> begin_run(std::string_view verb, base::WallTime now);
  base::Result<void> end_run(std::string_view outcome, base::WallTime now);

  base::Result<std::int64_t> write(std::string_view step, std::string_view title, std::string_view phase,
                                   const Json& evidence);
  // Evidence of the step's last record in this life, when that is "done".
  base::Result<std::optional<Json>> done(std::string_view step) const;
  base::Result<std::vector<Record>> records(std::size_t newest) const;  // oldest first

  base::Result<void> add_receipt(std::string_view what, const Json& receipt, base::WallTime now);
  base::Result<std::optional<Json>> last_receipt(std::string_view what) const;

 private:
  explicit Journal(store::Database database) : database_(std::move(database)) {}
  store::Database database_;
  std::string run_;
};

}  // namespace slipway::environment
