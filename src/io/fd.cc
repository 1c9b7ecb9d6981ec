#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/process.h"

namespace slipway::io {

Fd& Fd::operator=(Fd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

base::Result<std::pair<Fd, Fd>> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return base::Error(base::ErrorCode::io_failed,
                       std::string("cannot make a pipe: ") + std::strerror(errno));
  return std::pair<Fd, Fd>(Fd(ends[0]), Fd(ends[1]));
}

}  // namespace slipway::io
