// Files as Results: whole reads, atomic writes, locks, free space. Blocking; not for loop threads except
// where small. Errors name the path; no space is disk_full with the numbers, refused access is `permission`
// with the owner.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/process.h"

namespace slipway::io {

base::Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit = 64u << 20);
// Writes beside the target, fsyncs, renames: after a crash the file is the old one or the new one.
base::Result<void> write_file_atomic(const std::filesystem::path& path, std::string_view content,
                                     int mode = 0600);
base::Result<void> make_directories(const std::filesystem::path& path, int mode = 0700);
base::Result<std::uint64_t> free_bytes(const std::filesystem::path& path);

// An exclusive flock held for this object's life. Taken: nullopt (somebody else is alive).
class FileLock {
 public:
  static base::Result<std::optional<FileLock>> try_lock(const std::filesystem::path& path);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// XDG directories (base directory specification), created on demand by their users. SLIPWAY_HOME, when set,
// roots all four (tests, containers).
struct Paths {
  std::filesystem::path config;  // $XDG_CONFIG_HOME/slipway
  std::filesystem::path data;    // $XDG_DATA_HOME/slipway   (models/)
  std::filesystem::path state;   // $XDG_STATE_HOME/slipway  (<environment>/)
  std::filesystem::path
      runtime;  // $XDG_RUNTIME_DIR/slipway, else /tmp/slipway-<uid> mode 0700 (checked: ours, not a link)
};
base::Result<Paths> user_paths();

}  // namespace slipway::io
