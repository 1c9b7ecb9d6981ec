// One applier of an environment at a time: a flock, and beside it who holds it.
//
// Ownership: held until destroyed; a crash frees it. Failure: foreign_lock naming host, process, command and
// since when.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "io/files.h"

namespace slipway::environment {

class ApplyLock {
 public:
  // `command`: what is being done, for the message another one gets.
  static base::Result<ApplyLock> take(const std::filesystem::path& folder, const std::string& command);

 private:
  explicit ApplyLock(io::FileLock lock) : lock_(std::move(lock)) {}
  io::FileLock lock_;
};

}  // namespace slipway::environment
