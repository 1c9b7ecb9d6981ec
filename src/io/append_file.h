// A log that is one file or a stream: whole lines are appended with one system call, so that writers on
// several threads need no lock. What a full disk refuses is dropped and counted; callers go on. Blocking, but
// never for long on a file.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/process.h"

namespace slipway::io {

class AppendFile {
 public:
  // "-" is stdout. Made with mode 0600 when it is not there. permission and file_unreadable name the path.
  static base::Result<std::unique_ptr<AppendFile>> open(const std::string& path);
  void append(std::string_view lines);  // any thread
  std::uint64_t dropped_bytes() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  explicit AppendFile(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace slipway::io
