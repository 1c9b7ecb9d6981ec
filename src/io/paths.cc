// Where this user's files are (XDG base directory specification).
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "io/files.h"

namespace slipway::io {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

// The specification has relative values ignored.
std::optional<fs::path> absolute_from(const char* variable) {
  const char* const value = std::getenv(variable);
  if (value == nullptr || value[0] != '/') return std::nullopt;
  return fs::path(value);
}

base::Result<fs::path> home() {
  if (const auto path = absolute_from("HOME")) return *path;
  char buffer[4096];
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found != nullptr &&
      entry.pw_dir[0] == '/')
    return fs::path(entry.pw_dir);
  return Error(ErrorCode::file_unreadable,
               fmt::format("user {} has no home directory and HOME is not set", ::getuid()))
      .with_next("Set HOME, or SLIPWAY_HOME, to a directory of this user.");
}

// /tmp is everybody's: whoever comes first could give us a directory or link of his own.
base::Result<fs::path> private_directory_in_tmp() {
  const fs::path path = fmt::format("/tmp/slipway-{}", ::getuid());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return Error(ErrorCode::io_failed,
                 fmt::format("cannot make the directory {}: {}", path.native(), std::strerror(errno)));
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != ::getuid() ||
      (status.st_mode & 077) != 0)
    return Error(ErrorCode::permission,
                 fmt::format("{} is not a directory that only user {} can use", path.native(), ::getuid()))
        .with_next(fmt::format("Remove {}, or set XDG_RUNTIME_DIR.", path.native()));
  return path;
}

base::Result<fs::path> runtime_directory() {
  const auto given = absolute_from("XDG_RUNTIME_DIR");
  std::error_code error;
  // Set but gone (after su, in containers): as if it were not set.
  if (given && fs::is_directory(*given, error)) return *given / "slipway";
  return private_directory_in_tmp();
}

}  // namespace

base::Result<Paths> user_paths() {
  if (const auto root = absolute_from("SLIPWAY_HOME"))
    return Paths{*root / "config", *root / "data", *root / "state", *root / "runtime"};
  SLIPWAY_TRY(const fs::path home_directory, home());
  SLIPWAY_TRY(fs::path runtime, runtime_directory());
  return Paths{absolute_from("XDG_CONFIG_HOME").value_or(home_directory / ".config") / "slipway",
               absolute_from("XDG_DATA_HOME").value_or(home_directory / ".local/share") / "slipway",
               absolute_from("XDG_STATE_HOME").value_or(home_directory / ".local/state") / "slipway",
               std::move(runtime)};
}

}  // namespace slipway::io
