#include "worker/control_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "codec/worker_protocol.h"
#include "io/wait.h"

namespace slipway::worker {

ControlPipe::ControlPipe(int fd) : fd_(fd) {
  if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void ControlPipe::send(const domain::WorkerMessage& message) {
  if (!fd_) return;
  const std::string line = codec::encode_worker_message(message);
  const bool droppable = std::holds_alternative<domain::WorkerBeat>(message) ||
                         std::holds_alternative<domain::WorkerProgress>(message);
  std::lock_guard lock(mutex_);
  std::size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t n = ::write(fd_.get(), line.data() + sent, line.size() - sent);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    // A line that was begun is always finished, or the lines after it would be garbage.
    if (errno != EAGAIN || (droppable && sent == 0)) return;
    if (!io::wait_ready(fd_.get(), io::Ready::writable, kPatience)) return;
  }
}

void ControlPipe::watch(io::Loop& loop, std::function<void()> on_gone) {
  if (!fd_) return;
  constexpr std::size_t kMaxLine = 256;  // the parent says nothing; only its end matters
  io::Fd copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 3));
  reader_.emplace(loop, std::move(copy), kMaxLine, [](std::string_view) {}, std::move(on_gone));
}

}  // namespace slipway::worker
