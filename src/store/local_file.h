// A file that is on this machine already, on its way into the model store: hashed, then linked or copied.
// Ownership: holds the file open, so what is linked is what was hashed. Threads: none. Blocking.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "io/process.h"

namespace slipway::store {

// Time of the last change in nanoseconds; 0 when the file cannot be seen.
std::int64_t modified_ns(const std::filesystem::path& path);

class LocalFile {
 public:
  // file_unreadable when it is missing, refused or no regular file.
  static base::Result<LocalFile> open(const std::filesystem::path& path);
  std::uint64_t bytes() const { return bytes_; }
  base::Result<std::string> digest(const std::function<void(std::uint64_t)>& on_bytes,
                                   const std::atomic<bool>* cancelled) const;

  // A hard link at `target` (replaced when it is there). False when the file system or the kernel does not
  // allow it.
  bool link_to(const std::filesystem::path& target) const;
  // Removes `old` if it is a link to this very file, whose bytes are no longer what its name says.
  void forget_link(const std::filesystem::path& old) const;
  // Copies, read-only and fsynced; returns the SHA-256 of what was written. disk_full, io_failed,
  // interrupted.
  base::Result<std::string> copy_to(const std::filesystem::path& target,
                                    const std::atomic<bool>* cancelled) const;
  // For a file of ours at `from`: read-only, fsynced, renamed to `target`.
  base::Result<void> settle(const std::filesystem::path& from, const std::filesystem::path& target) const;

 private:
  LocalFile(std::filesystem::path path, io::Fd fd, std::uint64_t bytes)
      : path_(std::move(path)), fd_(std::move(fd)), bytes_(bytes) {}
  std::filesystem::path path_;
  io::Fd fd_;
  std::uint64_t bytes_;
};

}  // namespace slipway::store
