#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "codec/error_body.h"
#include "io/http_connection.h"

namespace slipway::io {
namespace {

// Answers and closes without ever owning a connection.
void turn_away(Fd fd) {
  static const std::string kAnswer = [] {
    const base::Error error(base::ErrorCode::draining, "this server has as many connections as it takes");
    const std::string body = codec::openai_error(error, "");
    return fmt::format(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        body.size(), body);
  }();
  // What a new socket's buffer does not take is lost: the peer is turned away in any case.
  (void)::send(fd.get(), kAnswer.data(), kAnswer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(fd.get(), SHUT_WR);
}

// Accepts in turns. Without descriptors (EMFILE) it rests until the next sweep, so that it never spins.
class Listener final : public Watcher {
 public:
  Listener(std::shared_ptr<ServerCore> core, Fd fd, std::string unlink_path)
      : core_(std::move(core)), fd_(std::move(fd)), path_(std::move(unlink_path)) {
    SLIPWAY_CHECK(core_->loop.poller().add(*this, fd_.get(), EPOLLIN));
    address_.size = sizeof(address_.storage);
    ::getsockname(fd_.get(), address_.get(), &address_.size);
  }
  ~Listener() override {
    if (poller_ != nullptr) poller_->remove(*this, fd_.get());
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const SocketAddress& address() const { return address_; }

 private:
  static constexpr int kMaxAccepts = 256;

  void on_events(std::uint32_t) override { accept_some(); }
  void on_sweep(base::MonotonicTime) override {
    // Edge-triggered: what was left in the backlog makes no event of its own.
    if (rests_) core_->loop.poller().modify(*this, fd_.get(), EPOLLIN);
    rests_ = false;
  }

  void accept_some() {
    for (int i = 0; i < kMaxAccepts; ++i) {
      SocketAddress peer;
      peer.size = sizeof(peer.storage);
      Fd fd(::accept4(fd_.get(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd) {
        take(std::move(fd), peer);
        continue;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) rests_ = true;
      return;
    }
    core_->loop.poller().modify(*this, fd_.get(), EPOLLIN);
  }

  void take(Fd fd, const SocketAddress& peer) {
    const HttpServerOptions& options = core_->options;
    const bool full = core_->stats.open >= options.max_connections;
    const bool greedy = options.max_connections_per_peer > 0 && peer.family() != AF_UNIX &&
                        crowd(host_text(peer)) >= options.max_connections_per_peer;
    if (full || greedy) {
      ++core_->stats.refused;
      return turn_away(std::move(fd));
    }
    if (peer.family() != AF_UNIX) {
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    ++core_->stats.accepted;
    core_->loop.spawn(ServerConnection::run(std::make_shared<ServerConnection>(core_, std::move(fd), peer)));
  }

  std::size_t crowd(const std::string& host) const {
    const auto it = core_->per_peer.find(host);
    return it == core_->per_peer.end() ? 0 : it->second;
  }

  std::shared_ptr<ServerCore> core_;
  Fd fd_;
  std::string path_;
  SocketAddress address_;
  bool rests_ = false;
};

}  // namespace

struct HttpServer::Impl {
  std::shared_ptr<ServerCore> core;
  std::vector<std::unique_ptr<Listener>> listeners;
};

HttpServer::HttpServer(Loop& loop, HttpServerOptions options, Handler handler)
    : impl_(std::make_shared<Impl>(
          std::make_shared<ServerCore>(loop, std::move(options), std::move(handler)))) {}

HttpServer::~HttpServer() {
  impl_->core->draining = true;
  for (ServerConnection& connection : impl_->core->connections) connection.cut();
}

base::Result<void> HttpServer::listen(const Endpoint& endpoint) {
  SLIPWAY_CHECK(impl_->core->loop.may_use());
  SLIPWAY_TRY(Fd fd, listen_on(endpoint, impl_->core->options.reuse_port));
  impl_->listeners.push_back(std::make_unique<Listener>(impl_->core, std::move(fd), endpoint.path));
  return {};
}

base::Result<void> HttpServer::listen_fd(int fd) {
  SLIPWAY_CHECK(impl_->core->loop.may_use());
  int listening = 0;
  socklen_t size = sizeof(listening);
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
    return base::Error(base::ErrorCode::bad_value,
                       fmt::format("descriptor {} is not a listening socket", fd));
  impl_->listeners.push_back(std::make_unique<Listener>(impl_->core, Fd(fd), ""));
  return {};
}

Endpoint HttpServer::local() const {
  SLIPWAY_CHECK(!impl_->listeners.empty());
  return to_endpoint(impl_->listeners.front()->address());
}

Task<std::size_t> HttpServer::drain(base::Deadline deadline) {
  const std::shared_ptr<ServerCore> core = impl_->core;
  core->draining = true;
  impl_->listeners.clear();
  for (ServerConnection& connection : core->connections)
    if (connection.idle()) connection.cut();
  while (core->stats.open > 0) {
    const bool in_time = co_await core->gone.wait_until(deadline.at());
    if (!in_time) break;
  }
  const std::size_t left = core->stats.open;
  for (ServerConnection& connection : core->connections) connection.cut();
  co_return left;
}

HttpServer::Stats HttpServer::stats() const {
  return impl_->core->stats;
}

}  // namespace slipway::io
