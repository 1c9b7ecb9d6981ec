#include "io/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace slipway::io {

using base::Error, base::ErrorCode;

base::Result<std::unique_ptr<AppendFile>> AppendFile::open(const std::string& path) {
  Fd fd(path == "-" ? ::dup(STDOUT_FILENO)
                    : ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!fd)
    return Error(errno == EACCES ? ErrorCode::permission : ErrorCode::file_unreadable,
                 "cannot write to " + path + ": " + std::strerror(errno));
  return std::unique_ptr<AppendFile>(new AppendFile(std::move(fd)));
}

void AppendFile::append(std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t n = ::write(fd_.get(), lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      dropped_.fetch_add(lines.size(), std::memory_order_relaxed);
      return;
    }
    lines.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace slipway::io
