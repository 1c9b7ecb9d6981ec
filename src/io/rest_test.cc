#include "io/rest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "io/http_test_support.h"

namespace slipway::io {
namespace {

// The socket of this process whose peer is `port` of loopback.
std::optional<int> connected_to(std::uint16_t port) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::atoi(entry.path().filename().c_str());
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.sin_family == AF_INET &&
        ntohs(peer.sin_port) == port)
      return fd;
  }
  return std::nullopt;
}

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0) << name;
  return value;
}

TEST(RestClient, APeerThatIsGoneWithoutAWordIsNoticedWithinHalfAMinute) {
  test::TestServer server([](Exchange& x) -> Task<> { (void)co_await x.respond(200, {}, "{}"); });
  RestPeer peer;
  peer.base_url = fmt::format("http://127.0.0.1:{}", server.endpoint().port);
  RestClient client(std::move(peer));
  bool looked = false;
  // While the answer comes: the connection is the one that a watch would hold.
  const auto sink = [&](std::string_view) -> base::Result<void> {
    const auto fd = connected_to(server.endpoint().port);
    EXPECT_TRUE(fd);
    if (!fd) return {};
    looked = true;
    EXPECT_EQ(option(*fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    const int idle = option(*fd, IPPROTO_TCP, TCP_KEEPIDLE),
              between = option(*fd, IPPROTO_TCP, TCP_KEEPINTVL),
              probes = option(*fd, IPPROTO_TCP, TCP_KEEPCNT);
    EXPECT_GE(idle, 5) << "a server is not asked all the time";
    EXPECT_LE(idle + probes * between, 30);
    EXPECT_LE(option(*fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30'000)
        << "and with bytes that nobody acknowledges";
    EXPECT_GT(option(*fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    return {};
  };
  const auto answer =
      client.call({.path = "/", .deadline = base::Deadline::after(test::kPatience), .sink = sink});
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_TRUE(looked);
}

}  // namespace
}  // namespace slipway::io
