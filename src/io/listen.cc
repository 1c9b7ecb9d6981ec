#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "io/address.h"
#include "io/http.h"

namespace slipway::io {
namespace {

namespace fs = std::filesystem;
constexpr int kBacklog = 4096;

// Inodes of listening sockets on `port`, from one of /proc/net/tcp and tcp6: columns are slot, local, remote,
// state, ...
void add_listeners(const char* file, std::uint16_t port, std::set<std::string>& inodes) {
  constexpr std::string_view kListening = "0A";
  const std::string wanted = fmt::format(":{:04X}", port);
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream columns(line);
    std::string slot, local, remote, state, skip, inode;
    columns >> slot >> local >> remote >> state;
    for (int i = 0; i < 5; ++i) columns >> skip;
    columns >> inode;
    if (state == kListening && local.ends_with(wanted)) inodes.insert("socket:[" + inode + "]");
  }
}

bool holds(const fs::path& process, const std::set<std::string>& sockets) {
  std::error_code error;
  for (fs::directory_iterator it(process / "fd", error), end; !error && it != end; it.increment(error)) {
    std::error_code unreadable;
    if (sockets.contains(fs::read_symlink(it->path(), unreadable).native())) return true;
  }
  return false;
}

base::Error listen_error(const Endpoint& endpoint, std::string_view doing) {
  const int reason = errno;
  const std::string where = to_string(endpoint);
  if (reason == EADDRINUSE) {
    const std::string holder = port_holder(endpoint.port);
    return {base::ErrorCode::port_taken,
            fmt::format("port {} on {} is taken by {}", endpoint.port, endpoint.host,
                        holder.empty() ? "another user's program" : holder)};
  }
  const auto code =
      reason == EACCES || reason == EPERM ? base::ErrorCode::permission : base::ErrorCode::io_failed;
  return {code, fmt::format("cannot {} {}: {}", doing, where, std::strerror(reason))};
}

// True when the path is free now. A socket that refuses connections was left by a process that died.
base::Result<void> clear_path(const Endpoint& endpoint, const SocketAddress& address) {
  struct stat status{};
  if (::lstat(endpoint.path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode))
    return base::Error(base::ErrorCode::port_taken,
                       fmt::format("{} exists and is not a socket", endpoint.path))
        .with_next("Move that file away, or choose another path.");
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN)
    return base::Error(base::ErrorCode::port_taken,
                       fmt::format("another program listens on {}", to_string(endpoint)))
        .with_next("Stop that program, or choose another path.");
  if (::unlink(endpoint.path.c_str()) != 0) return listen_error(endpoint, "replace");
  return {};
}

}  // namespace

std::string port_holder(std::uint16_t port) {
  std::set<std::string> sockets;
  add_listeners("/proc/net/tcp", port, sockets);
  add_listeners("/proc/net/tcp6", port, sockets);
  if (sockets.empty()) return {};
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string pid = it->path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos || !holds(it->path(), sockets)) continue;
    std::ifstream in(it->path() / "comm");
    std::string name;
    std::getline(in, name);
    return fmt::format("{} (pid {})", name, pid);
  }
  return {};
}

base::Result<Fd> listen_on(const Endpoint& endpoint, bool reuse_port) {
  SLIPWAY_TRY(const std::optional<SocketAddress> address, to_address(endpoint));
  if (!address)
    return base::Error(base::ErrorCode::bad_value,
                       fmt::format("\"{}\" is not an IP address of this machine", endpoint.host))
        .with_next("Listen on 127.0.0.1, 0.0.0.0, or the address of a network interface.");
  const bool local = address->family() == AF_UNIX;
  if (local) SLIPWAY_RETURN_IF_ERROR(clear_path(endpoint, *address));
  Fd fd(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return listen_error(endpoint, "make a socket for");
  const int on = 1;
  if (local) {
    // Linux takes the mode of the path from the socket's own: there is no moment in which others could
    // connect.
    if (::fchmod(fd.get(), 0600) != 0) return listen_error(endpoint, "set the mode of");
  } else {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (reuse_port) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (address->family() == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (::bind(fd.get(), address->get(), address->size) != 0) return listen_error(endpoint, "bind");
  if (::listen(fd.get(), kBacklog) != 0) return listen_error(endpoint, "listen on");
  return fd;
}

}  // namespace slipway::io
