#include "io/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

#include "io/http.h"

namespace slipway::io {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

base::Error bad_endpoint(std::string_view text) {
  return base::Error(base::ErrorCode::bad_value, fmt::format("\"{}\" is not an address", text))
      .with_next("Write HOST:PORT, tcp:HOST:PORT or unix:PATH, for example 127.0.0.1:8000.");
}

}  // namespace

std::string to_string(const Endpoint& endpoint) {
  if (!endpoint.path.empty()) return "unix:" + endpoint.path;
  if (endpoint.host.contains(':')) return fmt::format("[{}]:{}", endpoint.host, endpoint.port);
  return fmt::format("{}:{}", endpoint.host, endpoint.port);
}

base::Result<Endpoint> parse_endpoint(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("unix:")) {
    rest.remove_prefix(5);
    if (rest.empty()) return bad_endpoint(text);
    return Endpoint{std::string(rest), "", 0};
  }
  if (rest.starts_with("tcp:")) rest.remove_prefix(4);
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return bad_endpoint(text);
  std::string_view host = rest.substr(0, colon);
  const auto port = parse_port(rest.substr(colon + 1));
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!port || host.empty() || host.contains(':') != bracketed) return bad_endpoint(text);
  return Endpoint{"", std::string(host), *port};
}

bool is_loopback(const Endpoint& endpoint) {
  if (!endpoint.path.empty() || endpoint.host == "localhost") return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, endpoint.host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

base::Result<std::optional<SocketAddress>> to_address(const Endpoint& endpoint) {
  SocketAddress address;
  if (!endpoint.path.empty()) {
    auto* const un = reinterpret_cast<sockaddr_un*>(&address.storage);
    if (endpoint.path.size() >= sizeof(un->sun_path))
      return base::Error(base::ErrorCode::bad_value,
                         fmt::format("the socket path {} has {} bytes, a unix socket takes at most {}",
                                     endpoint.path, endpoint.path.size(), sizeof(un->sun_path) - 1))
          .with_next("Set XDG_RUNTIME_DIR to a shorter directory.");
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, endpoint.path.data(), endpoint.path.size());
    address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + endpoint.path.size() + 1);
    return address;
  }
  const std::string host = endpoint.host == "localhost" ? "127.0.0.1" : endpoint.host;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    address.size = sizeof(*v4);
    return address;
  }
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    address.size = sizeof(*v6);
    return address;
  }
  return std::optional<SocketAddress>();
}

std::string host_text(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.family() == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_addr, text,
                sizeof(text));
  else if (address.family() == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_addr, text,
                sizeof(text));
  return text;
}

Endpoint to_endpoint(const SocketAddress& address) {
  if (address.family() == AF_UNIX)
    return {reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path, "", 0};
  const auto* const v4 =
      reinterpret_cast<const sockaddr_in*>(&address.storage);  // the port is at the same place in both
  return {"", host_text(address), ntohs(v4->sin_port)};
}

}  // namespace slipway::io
