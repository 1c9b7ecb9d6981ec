#include "io/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace slipway::io {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

std::string user_name(uid_t uid) {
  char buffer[4096];
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) != 0 || found == nullptr)
    return fmt::format("uid {}", uid);
  return fmt::format("{} (uid {})", found->pw_name, uid);
}

// Who owns the path, or its nearest parent that can be looked at.
std::string ownership(fs::path path) {
  struct stat status{};
  while (::lstat(path.c_str(), &status) != 0 && path.has_relative_path()) path = path.parent_path();
  return fmt::format("{} belongs to {} with mode {:04o}, this program runs as {}", path.native(),
                     user_name(status.st_uid), status.st_mode & 07777, user_name(::geteuid()));
}

std::string room(const fs::path& path) {
  const auto free = free_bytes(path);
  return free ? base::human_bytes(*free) + " are free" : "free space unknown";
}

// From errno. `needed`: bytes that were to be written.
Error file_error(const fs::path& path, std::string_view doing, std::uint64_t needed = 0) {
  const int reason = errno;
  const std::string what = fmt::format("cannot {} {}: {}", doing, path.native(), std::strerror(reason));
  switch (reason) {
    case EACCES:
    case EPERM:
    case EROFS:
      return {ErrorCode::permission, what + "; " + ownership(path)};
    case ENOSPC:
    case EDQUOT:
      return {ErrorCode::disk_full, fmt::format("{}; {} are needed, {}", what, base::human_bytes(needed),
                                                room(path.parent_path()))};
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
      return {ErrorCode::file_unreadable, what};
    default:
      return {ErrorCode::io_failed, what};
  }
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void sync_directory(const fs::path& directory) {
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot; the rename is then as safe as they make it.
  if (fd) (void)::fsync(fd.get());
}

fs::path directory_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

base::Result<std::string> read_file(const fs::path& path, std::size_t limit) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return file_error(path, "read");
  std::string content;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(path, "read");
    if (n == 0) return content;
    if (content.size() + static_cast<std::size_t>(n) > limit)
      return Error(ErrorCode::bad_value, fmt::format("{} is larger than {}, which is the limit",
                                                     path.native(), base::human_bytes(limit)))
          .with_next("Check that this is the right file.");
    content.append(buffer, static_cast<std::size_t>(n));
  }
}

base::Result<void> write_file_atomic(const fs::path& path, std::string_view content, int mode) {
  std::string temporary = path.native() + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return file_error(path, "write", content.size());
  const bool written = ::fchmod(fd.get(), static_cast<mode_t>(mode)) == 0 && write_all(fd.get(), content) &&
                       ::fsync(fd.get()) == 0 && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    const Error error = file_error(path, "write", content.size());
    ::unlink(temporary.c_str());
    return error;
  }
  sync_directory(directory_of(path));
  return {};
}

base::Result<void> make_directories(const fs::path& path, int mode) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  if (path.has_parent_path() && path.parent_path() != path)
    SLIPWAY_RETURN_IF_ERROR(make_directories(path.parent_path(), mode));
  if (::mkdir(path.c_str(), static_cast<mode_t>(mode)) == 0) return {};
  // Somebody else may have made it meanwhile; a file in its place is an error.
  if (errno == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
  return file_error(path, "make the directory");
}

base::Result<std::uint64_t> free_bytes(const fs::path& path) {
  struct statvfs status{};
  fs::path probe = path.empty() ? fs::path(".") : path;
  // A directory that is made later has the space of its nearest parent.
  while (::statvfs(probe.c_str(), &status) != 0) {
    if (errno != ENOENT || !probe.has_relative_path()) return file_error(path, "look at the free space of");
    probe = directory_of(probe);
  }
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

base::Result<std::optional<FileLock>> FileLock::try_lock(const fs::path& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return file_error(path, "open the lock");
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return std::optional<FileLock>(FileLock(std::move(fd)));
  if (errno == EWOULDBLOCK) return std::optional<FileLock>();
  return file_error(path, "lock");
}

}  // namespace slipway::io
