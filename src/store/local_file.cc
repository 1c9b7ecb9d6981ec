#include "store/local_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/time.h"
#include "store/digest.h"

namespace slipway::store {
namespace {

using base::ErrorCode;

constexpr std::size_t kCopyBytes = 1u << 20;

base::Error failed(std::string_view doing, const std::filesystem::path& path, int error) {
  if (error == ENOSPC || error == EDQUOT)
    return base::Error(ErrorCode::disk_full, fmt::format("{} {}: the disk is full", doing, path.string()))
        .with_next(fmt::format("Free space on the disk of {} and run the command again.",
                               path.parent_path().string()));
  return {ErrorCode::io_failed, fmt::format("{} {}: {}", doing, path.string(), std::strerror(error))};
}

base::Result<void> write_all(int fd, const std::filesystem::path& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("writing", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

std::int64_t modified_ns(const std::filesystem::path& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return 0;
  return std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec;
}

base::Result<LocalFile> LocalFile::open(const std::filesystem::path& path) {
  io::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO must not hang us
  if (!fd)
    return base::Error(ErrorCode::file_unreadable,
                       fmt::format("{}: {}", path.string(), std::strerror(errno)));
  struct stat about{};
  if (::fstat(fd.get(), &about) != 0 || !S_ISREG(about.st_mode))
    return base::Error(ErrorCode::file_unreadable, fmt::format("{} is not a regular file", path.string()));
  return LocalFile(path, std::move(fd), static_cast<std::uint64_t>(about.st_size));
}

base::Result<std::string> LocalFile::digest(const std::function<void(std::uint64_t)>& on_bytes,
                                            const std::atomic<bool>* cancelled) const {
  return sha256_range(fd_.get(), path_, 0, 0, on_bytes, cancelled);
}

bool LocalFile::link_to(const std::filesystem::path& target) const {
  // Through /proc, so that the link is to the bytes that were hashed even if the path points elsewhere by
  // now.
  const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
  if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, target.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  if (errno != EEXIST) return false;
  ::unlink(target.c_str());
  return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, target.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

void LocalFile::forget_link(const std::filesystem::path& old) const {
  struct stat ours{};
  struct stat theirs{};
  if (::fstat(fd_.get(), &ours) != 0 || ::stat(old.c_str(), &theirs) != 0) return;
  if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) ::unlink(old.c_str());
}

base::Result<std::string> LocalFile::copy_to(const std::filesystem::path& target,
                                             const std::atomic<bool>* cancelled) const {
  const io::Fd out(::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out) return failed("writing", target, errno);
  Sha256 hash;
  std::vector<char> buffer(kCopyBytes);
  off_t at = 0;
  while (true) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed))
      return base::Error(ErrorCode::interrupted, fmt::format("copying {} was interrupted", path_.string()));
    const ssize_t n = ::pread(fd_.get(), buffer.data(), buffer.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("reading", path_, errno);
    if (n == 0) break;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
    hash.update(bytes);
    SLIPWAY_RETURN_IF_ERROR(write_all(out.get(), target, bytes));
    at += n;
  }
  if (::fchmod(out.get(), 0444) != 0 || ::fsync(out.get()) != 0) return failed("writing", target, errno);
  return hash.finish_hex();
}

base::Result<void> LocalFile::settle(const std::filesystem::path& from,
                                     const std::filesystem::path& target) const {
  if (::fchmod(fd_.get(), 0444) != 0 || ::fsync(fd_.get()) != 0 ||
      ::rename(from.c_str(), target.c_str()) != 0)
    return failed("moving", from, errno);
  return {};
}

}  // namespace slipway::store
