#include "worker/control_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <string>

#include "codec/worker_protocol.h"

namespace slipway::worker {

struct ControlPipe::Watch {
  Watch(io::Loop& loop, int fd) : descriptor(loop.context(), fd) {}
  io::asio::posix::stream_descriptor descriptor;
  std::function<void()> on_gone;

  // The parent says nothing; what makes the descriptor readable is its end.
  static void wait(const std::shared_ptr<Watch>& self) {
    self->descriptor.async_wait(
        io::asio::posix::stream_descriptor::wait_read, [self](const boost::system::error_code& error) {
          if (error) return;
          char buffer[256];
          const ssize_t n = ::read(self->descriptor.native_handle(), buffer, sizeof(buffer));
          if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return wait(self);
          self->on_gone();
        });
  }
};

ControlPipe::ControlPipe(int fd) : fd_(fd) {
  if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

ControlPipe::~ControlPipe() {
  if (watch_) watch_->descriptor.release();  // fd_ closes it
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
    pollfd room{fd_.get(), POLLOUT, 0};
    if (::poll(&room, 1, kPatienceMs) <= 0) return;
  }
}

void ControlPipe::watch(io::Loop& loop, std::function<void()> on_gone) {
  if (!fd_) return;
  watch_ = std::make_shared<Watch>(loop, fd_.get());
  watch_->on_gone = std::move(on_gone);
  Watch::wait(watch_);
}

}  // namespace slipway::worker
