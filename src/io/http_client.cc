#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>
#include <map>

#include "base/check.h"
#include "io/address.h"
#include "io/http_client_connection.h"
#include "io/http_text.h"

namespace slipway::io {

using base::Error;
using base::ErrorCode;

struct HttpClient::Impl : std::enable_shared_from_this<Impl> {
  struct Idle {
    std::unique_ptr<ClientConnection> connection;
    base::MonotonicTime until;
  };

  class Response;
  Impl(Loop& l, HttpClientOptions o) : loop(l), options(std::move(o)) {}

  std::unique_ptr<ClientConnection> take_idle(const Endpoint& endpoint);
  void give_back(const Endpoint& endpoint, std::unique_ptr<ClientConnection> connection);
  Task<base::Result<std::unique_ptr<ClientConnection>>> connect(const Endpoint& endpoint,
                                                                base::Deadline deadline, SendCancel* cancel);
  Task<base::Result<SocketAddress>> resolve(const Endpoint& endpoint);
  Task<base::Result<void>> exchange(ClientConnection& connection, const HttpRequest& request,
                                    base::Deadline deadline);

  Loop& loop;
  const HttpClientOptions options;
  std::map<Endpoint, std::vector<Idle>> idle;  // newest last
  std::string head;                            // scratch
  bool closed = false;
};

// Hands its connection back when the answer was read to its end; closes it otherwise.
class HttpClient::Impl::Response final : public HttpResponse {
 public:
  Response(std::shared_ptr<Impl> client, const Endpoint& endpoint,
           std::unique_ptr<ClientConnection> connection)
      : client_(std::move(client)), endpoint_(endpoint), connection_(std::move(connection)) {}
  ~Response() override {
    if (connection_->reusable()) client_->give_back(endpoint_, std::move(connection_));
  }
  const codec::HttpHead& head() const override { return connection_->head(); }
  Task<base::Result<std::string_view>> read_some() override { return connection_->read_some(); }
  Task<base::Result<std::string>> read_all(std::size_t limit) override {
    std::string all;
    while (true) {
      const base::Result<std::string_view> piece = co_await connection_->read_some();
      if (!piece) co_return piece.error();
      if (piece->empty()) co_return all;
      if (all.size() + piece->size() > limit)
        co_return Error(ErrorCode::body_too_large,
                        fmt::format("the server's answer has more than {} bytes", limit));
      all.append(*piece);
    }
  }
  void cancel() override { connection_->socket().cut(Socket::Cut::cancelled); }

 private:
  std::shared_ptr<Impl> client_;
  Endpoint endpoint_;
  std::unique_ptr<ClientConnection> connection_;
};

std::unique_ptr<ClientConnection> HttpClient::Impl::take_idle(const Endpoint& endpoint) {
  const auto it = idle.find(endpoint);
  if (it == idle.end()) return nullptr;
  const base::MonotonicTime now = loop.now();
  while (!it->second.empty()) {
    Idle last = std::move(it->second.back());
    it->second.pop_back();
    // Newest first: when this one is too old, all are.
    if (now >= last.until) {
      it->second.clear();
      return nullptr;
    }
    if (last.connection->idle_ok()) return std::move(last.connection);
  }
  return nullptr;
}

void HttpClient::Impl::give_back(const Endpoint& endpoint, std::unique_ptr<ClientConnection> connection) {
  std::vector<Idle>& list = idle[endpoint];
  if (closed || list.size() >= options.max_idle_per_endpoint) return;
  connection->reset();
  list.push_back({std::move(connection), loop.now() + options.idle_timeout});
}

Task<base::Result<SocketAddress>> HttpClient::Impl::resolve(const Endpoint& endpoint) {
  const base::Result<std::optional<SocketAddress>> direct = to_address(endpoint);
  if (!direct) co_return direct.error();
  if (*direct) co_return **direct;
  asio::ip::tcp::resolver resolver(loop.context());
  boost::system::error_code error;
  const auto found = co_await resolver.async_resolve(endpoint.host, std::to_string(endpoint.port),
                                                     asio::redirect_error(asio::use_awaitable, error));
  if (error || found.empty())
    co_return Error(ErrorCode::io_failed, fmt::format("cannot connect to {}: the name is not known ({})",
                                                      to_string(endpoint), error.message()));
  const asio::ip::tcp::endpoint first = *found.begin();
  SocketAddress address;
  std::memcpy(&address.storage, first.data(), first.size());
  address.size = static_cast<socklen_t>(first.size());
  co_return address;
}

static Error cannot_connect(const Endpoint& endpoint, int reason) {
  return {ErrorCode::io_failed,
          fmt::format("cannot connect to {}: {}", to_string(endpoint), std::strerror(reason))};
}

// Ties a SendCancel to the socket of the moment.
class CancelScope {
 public:
  CancelScope(SendCancel* cancel, Socket& socket) : cancel_(cancel) {
    if (cancel_ != nullptr) cancel_->set([&socket] { socket.cut(Socket::Cut::cancelled); });
  }
  ~CancelScope() {
    if (cancel_ != nullptr) cancel_->set({});
  }
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;

 private:
  SendCancel* cancel_;
};

Task<base::Result<std::unique_ptr<ClientConnection>>> HttpClient::Impl::connect(const Endpoint& endpoint,
                                                                                base::Deadline deadline,
                                                                                SendCancel* cancel) {
  const base::Result<SocketAddress> address = co_await resolve(endpoint);
  if (!address) co_return address.error();
  Fd fd(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) co_return cannot_connect(endpoint, errno);
  const int on = 1;
  if (address->family() != AF_UNIX) ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const bool at_once = ::connect(fd.get(), address->get(), address->size) == 0;
  // A unix socket whose backlog is full says EAGAIN and makes no event: that is a refusal.
  if (!at_once && errno != EINPROGRESS) co_return cannot_connect(endpoint, errno);
  auto connection = std::make_unique<ClientConnection>(loop, std::move(fd), !at_once);
  if (at_once) co_return connection;
  Socket& socket = connection->socket();
  const CancelScope scope(cancel, socket);
  co_await socket.wait_drained(0, std::min(deadline.at(), loop.now() + options.connect_timeout));
  if (socket.why_cut() == Socket::Cut::cancelled)
    co_return Error(ErrorCode::client_gone, "the request was cancelled");
  if (socket.why_cut() != Socket::Cut::none) co_return cannot_connect(endpoint, ETIMEDOUT);
  int reason = 0;
  socklen_t size = sizeof(reason);
  ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &reason, &size);
  if (reason != 0) co_return cannot_connect(endpoint, reason);
  co_return connection;
}

Task<base::Result<void>> HttpClient::Impl::exchange(ClientConnection& connection, const HttpRequest& request,
                                                    base::Deadline deadline) {
  if (!write_request_head(head, request))
    co_return Error(ErrorCode::internal,
                    "a request's target or header has a line break or NUL, or frames the message");
  // A refused write is no verdict yet: the server may have answered and closed before it took the whole body.
  (void)connection.send(head, request.body);
  const CancelScope scope(request.cancel, connection.socket());
  co_return co_await connection.read_head(options.head, deadline.at(), request.method == "HEAD");
}

HttpClient::HttpClient(Loop& loop, HttpClientOptions options)
    : impl_(std::make_shared<Impl>(loop, std::move(options))) {}

HttpClient::~HttpClient() {
  impl_->closed = true;
  impl_->idle.clear();
}

void HttpClient::forget(const Endpoint& endpoint) {
  impl_->idle.erase(endpoint);
}

Task<base::Result<std::unique_ptr<HttpResponse>>> HttpClient::send(const Endpoint& endpoint,
                                                                   const HttpRequest& request,
                                                                   base::Deadline deadline) {
  const std::shared_ptr<Impl> impl = impl_;
  SLIPWAY_CHECK(impl->loop.may_use());
  std::unique_ptr<ClientConnection> connection = impl->take_idle(endpoint);
  while (true) {
    if (request.cancel != nullptr && request.cancel->cancelled())
      co_return Error(ErrorCode::client_gone, "the request was cancelled");
    const bool reused = connection != nullptr;
    if (!reused) {
      base::Result<std::unique_ptr<ClientConnection>> made =
          co_await impl->connect(endpoint, deadline, request.cancel);
      if (!made) co_return std::move(made).error();
      connection = std::move(*made);
    }
    base::Result<void> answered = co_await impl->exchange(*connection, request, deadline);
    if (answered) break;
    // The server closed an idle connection as we wrote to it: it did not see the request.
    const bool stale = reused && !connection->got_bytes() && answered.error().code() == ErrorCode::io_failed;
    if (!stale) co_return std::move(answered).error();
    connection.reset();
  }
  co_return std::make_unique<Impl::Response>(impl, endpoint, std::move(connection));
}

}  // namespace slipway::io
