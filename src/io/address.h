// Endpoints as kernel addresses, and who holds a port.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "domain/replica.h"
#include "io/process.h"

namespace slipway::io {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// nullopt: the host is a name, which needs a resolver ("localhost" is known). bad_value: the unix path is too
// long.
base::Result<std::optional<SocketAddress>> to_address(const domain::Endpoint& endpoint);
domain::Endpoint to_endpoint(const SocketAddress& address);
// "127.0.0.1" or "::1"; empty for unix sockets.
std::string host_text(const SocketAddress& address);

// A bound, listening, non-blocking socket. port_taken names the process in the way when /proc tells; a unix
// path that nobody listens on is replaced, and is created with mode 0600.
base::Result<Fd> listen_on(const domain::Endpoint& endpoint, bool reuse_port);
// "nginx (pid 12)"; empty when the holder belongs to somebody else or nobody listens there.
std::string port_holder(std::uint16_t port);

}  // namespace slipway::io
