#include "io/lines.h"

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <string>

namespace slipway::io {

struct LineReader::Impl : std::enable_shared_from_this<Impl> {
  Impl(Loop& loop, Fd fd, std::size_t limit) : stream(loop.context(), fd.release()), max_line(limit) {}

  void read() {
    stream.async_read_some(asio::buffer(buffer), [self = shared_from_this()](auto error, std::size_t n) {
      if (self->closed) return;
      if (error) return self->end();
      self->take({self->buffer.data(), n});
      if (!self->closed) self->read();
    });
  }

  void take(std::string_view bytes) {
    while (!bytes.empty() && !closed) {
      const std::size_t newline = bytes.find('\n');
      const std::size_t room = max_line - pending.size();
      const std::size_t n = std::min({newline, bytes.size(), room});
      pending.append(bytes.substr(0, n));
      bytes.remove_prefix(n);
      if (n == newline) {
        bytes.remove_prefix(1);
        emit();
      } else if (pending.size() == max_line) {
        emit();
      }
    }
  }

  void emit() {
    std::string line;
    line.swap(pending);
    if (line.ends_with('\r')) line.pop_back();
    on_line(line);
  }

  void end() {
    if (!pending.empty()) emit();
    if (!closed && on_end) on_end();
    closed = true;
  }

  asio::posix::stream_descriptor stream;
  const std::size_t max_line;
  std::function<void(std::string_view)> on_line;
  std::function<void()> on_end;
  std::array<char, 16 * 1024> buffer;
  std::string pending;
  bool closed = false;
};

LineReader::LineReader(Loop& loop, Fd fd, std::size_t max_line, std::function<void(std::string_view)> on_line,
                       std::function<void()> on_end)
    : impl_(std::make_shared<Impl>(loop, std::move(fd), max_line)) {
  impl_->on_line = std::move(on_line);
  impl_->on_end = std::move(on_end);
  impl_->read();
}

LineReader::~LineReader() {
  if (!impl_) return;
  impl_->closed = true;
  impl_->stream.close();
}

LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

}  // namespace slipway::io
