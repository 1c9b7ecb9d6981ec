#include "io/service.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "io/process.h"

namespace slipway::io {
namespace {

struct SignalWatch : std::enable_shared_from_this<SignalWatch> {
  SignalWatch(Loop& loop, std::function<void(int)> f) : set(loop.context()), on_signal(std::move(f)) {}
  void wait() {
    set.async_wait([self = shared_from_this()](auto error, int number) {
      if (error) return;
      self->on_signal(number);
      self->wait();
    });
  }
  asio::signal_set set;
  std::function<void(int)> on_signal;
};

}  // namespace

void on_signals(Loop& loop, std::initializer_list<int> numbers, std::function<void(int)> on_signal) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto watch = std::make_shared<SignalWatch>(loop, std::move(on_signal));
  for (const int number : numbers) watch->set.add(number);
  watch->wait();
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // a refusal leaves the old limit, which is worked with
}

void notify_service_manager(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // the abstract namespace
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  // A service manager that is gone is not our failure.
  (void)::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace slipway::io
