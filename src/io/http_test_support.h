// A server on its own loop and a raw blocking peer, for tests. Every wait is bounded by kPatience.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <future>
#include <optional>
#include <string>

#include "io/address.h"
#include "io/http.h"

namespace slipway::io::test {

inline constexpr base::Duration kPatience = std::chrono::seconds(20);

// Runs `f` on the loop and returns what it returns.
template <class F>
auto on_loop(Loop& loop, F f) {
  using T = std::invoke_result_t<F>;
  std::promise<T> promise;
  std::future<T> future = promise.get_future();
  loop.post([&] {
    if constexpr (std::is_void_v<T>) {
      f();
      promise.set_value();
    } else {
      promise.set_value(f());
    }
  });
  return future.get();
}

// Runs a coroutine on the loop to its end.
inline void run_task(Loop& loop, std::function<Task<>()> make) {
  std::promise<void> promise;
  const auto wrap = [](std::function<Task<>()> task, std::promise<void>& done) -> Task<> {
    co_await task();
    done.set_value();
  };
  std::future<void> future = promise.get_future();
  loop.spawn(wrap(std::move(make), promise));
  future.get();
}

class TestServer {
 public:
  explicit TestServer(HttpServer::Handler handler, HttpServerOptions options = {},
                      const Endpoint& where = {"", "127.0.0.1", 0}) {
    server_.emplace(loop_, std::move(options), std::move(handler));
    const base::Result<void> listening = server_->listen(where);
    EXPECT_TRUE(listening) << listening.error().to_string();
    endpoint_ = server_->local();
    loop_.start();
  }
  ~TestServer() {
    on_loop(loop_, [this] { server_.reset(); });
  }
  const Endpoint& endpoint() const { return endpoint_; }
  Loop& loop() { return loop_; }
  HttpServer& server() { return *server_; }
  HttpServer::Stats stats() {
    return on_loop(loop_, [this] { return server_->stats(); });
  }
  // Looks at the state until it is so. Bounded.
  template <class F>
  bool eventually(F condition) {
    const base::Deadline deadline = base::Deadline::after(kPatience);
    while (!deadline.passed(base::monotonic_now())) {
      if (on_loop(loop_, [&] { return condition(); })) return true;
      std::this_thread::yield();
    }
    return false;
  }

 private:
  Loop loop_{"test-server"};
  std::optional<HttpServer> server_;
  Endpoint endpoint_;
};

class Peer {
 public:
  explicit Peer(const Endpoint& endpoint, int receive_buffer = 0) {
    const SocketAddress address = **to_address(endpoint);
    fd_ = Fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer > 0)
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    const int on = 1;
    if (address.family() != AF_UNIX)
      ::setsockopt(fd_.get(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    EXPECT_EQ(::connect(fd_.get(), address.get(), address.size), 0) << std::strerror(errno);
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  // Until `end` was seen, the peer closed (and `closed()` is true), or patience ended.
  std::string read_until(std::string_view end) {
    std::string all;
    while (!closed_ && (end.empty() || !all.contains(end))) {
      pollfd wait{fd_.get(), POLLIN, 0};
      if (::poll(&wait, 1,
                 static_cast<int>(
                     std::chrono::duration_cast<std::chrono::milliseconds>(kPatience).count())) <= 0) {
        ADD_FAILURE() << "nothing came; so far: " << all.substr(0, 500);
        break;
      }
      char buffer[16 * 1024];
      const ssize_t n = ::recv(fd_.get(), buffer, sizeof(buffer), 0);
      if (n <= 0)
        closed_ = true;
      else
        all.append(buffer, static_cast<std::size_t>(n));
    }
    return all;
  }
  std::string read_to_end() { return read_until(""); }
  bool closed() const { return closed_; }
  int fd() const { return fd_.get(); }
  void close() { fd_ = Fd(); }

 private:
  Fd fd_;
  bool closed_ = false;
};

inline HttpRequest post(std::string_view target, std::string_view body) {
  HttpRequest request;
  request.method = "POST";
  request.target = target;
  request.body = body;
  return request;
}

}  // namespace slipway::io::test
