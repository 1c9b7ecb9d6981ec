// HTTP/1.1 server and client over TCP and unix sockets: strict heads (codec/http_head), bounded everything,
// coroutines.
//
// One server or client lives on one Loop. A gateway with several threads makes one server a loop; they share
// the port by SO_REUSEPORT. What leaves is always serialised anew: nothing received is ever copied into a
// head that is sent, except header values the caller names (which are checked for CR, LF and NUL).
//
// Failure: every await returns a Result. Errors: bad_http (answered with 400 and closed by the server
// itself), headers_too_large, body_too_large, client_gone, io_failed, timeout. Backpressure: write() suspends
// while more than `write_high_water` bytes wait for the peer; a peer that takes nothing for `stall_timeout`
// is cut. Deadlines are looked at every 250 ms. Memory: an idle connection about 3 KiB (4 KiB more at most,
// kept for its next head); one that streams holds its head and body beside that, and no buffer for output
// unless its peer is slow.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/http_head.h"
#include "domain/replica.h"
#include "io/loop.h"

namespace slipway::io {

using domain::Endpoint;
std::string to_string(const Endpoint& endpoint);               // "unix:/run/x.sock", "127.0.0.1:8000"
base::Result<Endpoint> parse_endpoint(std::string_view text);  // "unix:PATH", "tcp:HOST:PORT", "HOST:PORT"
bool is_loopback(const Endpoint& endpoint);

struct Header {
  std::string_view name;
  std::string_view value;
};
using Headers = std::initializer_list<Header>;

struct HttpServerOptions {
  std::size_t max_connections = 20'000;
  std::size_t max_connections_per_peer =
      0;  // by client address; 0 = no limit (unix sockets, loopback benches)
  codec::HttpHeadLimits head{};
  std::uint64_t max_body = 4u << 20;
  std::size_t write_high_water = 256 * 1024;
  base::Duration head_timeout = std::chrono::seconds(10);  // first byte of a head to its end (slowloris)
  base::Duration body_timeout = std::chrono::seconds(60);
  base::Duration idle_timeout = std::chrono::seconds(75);  // keep-alive
  base::Duration stall_timeout = std::chrono::seconds(60);
  bool reuse_port = false;
};

struct PeerProcess {
  std::uint32_t uid = 0;
  std::int32_t pid = 0;  // as it was when it connected
};

// One request and its answer. Lives as long as the handler's coroutine.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const codec::HttpHead& head() const = 0;    // views stay valid for the exchange's life
  virtual std::string_view peer_address() const = 0;  // "127.0.0.1", empty for unix sockets
  // Who connected to a unix socket (SO_PEERCRED); nullopt on TCP.
  virtual std::optional<PeerProcess> peer() const { return std::nullopt; }
  // The whole body, up to max_body; valid for the exchange's life. Call at most once.
  virtual Task<base::Result<std::string_view>> body() = 0;

  // A whole answer in one write. Content-Length, Date and Connection are added.
  virtual Task<base::Result<void>> respond(int status, Headers headers, std::string_view body) = 0;
  // A streamed answer (chunked). The head is buffered and leaves with the first write(), which may be
  // empty, or with finish().
  virtual base::Result<void> start_stream(int status, Headers headers) = 0;
  virtual Task<base::Result<void>> write(
      std::string_view data) = 0;  // copies what the socket does not take at once
  // Appends a small piece (a keep-alive comment) to a started stream without suspending, from outside the
  // handler's coroutine (a sweep on the same loop). False, and nothing sent, when bytes already wait for the
  // peer or it is gone.
  virtual bool try_write(std::string_view data) = 0;
  virtual Task<base::Result<void>> finish() = 0;  // a clean end: the last chunk
  // Ends the connection without a clean end of the body; also what the destructor does for an unfinished
  // stream.
  virtual void abort() = 0;
  virtual bool responded() const = 0;  // a head was sent or buffered

  // True once the peer closed. `on_gone` (at most one) runs on the loop when that happens while the exchange
  // is open; it must not block. Watching starts when set, so that short exchanges do not pay for it.
  virtual bool client_gone() const = 0;
  virtual void on_client_gone(std::function<void()> on_gone) = 0;
};

class HttpServer {
 public:
  using Handler = std::function<Task<>(Exchange&)>;
  struct Stats {
    std::uint64_t accepted = 0, refused = 0, requests = 0, bad_requests = 0;
    std::size_t open = 0;
  };
  HttpServer(Loop& loop, HttpServerOptions options, Handler handler);
  ~HttpServer();
  // Binds and accepts. TCP port 0 picks one; local() tells. A unix path is replaced if nobody listens on it,
  // mode 0600. port_taken names the process that holds the port when /proc tells.
  base::Result<void> listen(const Endpoint& endpoint);
  base::Result<void> listen_fd(int fd);  // an inherited listening socket
  Endpoint local() const;
  // Loop thread: stops accepting, idle connections close, busy ones close after their answer. Returns when
  // all are gone or the deadline passed (then the rest are cut). The count is of those cut.
  Task<std::size_t> drain(base::Deadline deadline);
  Stats stats() const;  // loop thread

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

struct HttpRequest {
  std::string_view method = "GET";
  std::string_view target = "/";
  std::string_view host = "localhost";
  std::vector<Header> headers;
  std::string_view body;               // sent with Content-Length
  class SendCancel* cancel = nullptr;  // ends this send from outside while it waits for its head
};

// Lets somebody else on the loop end a send() that is on its way (the client is gone): the send fails with
// client_gone and its connection is closed. Owned by the caller, outlives the send; one send at a time.
class SendCancel {
 public:
  void cancel() {
    cancelled_ = true;
    if (on_cancel_) std::exchange(on_cancel_, nullptr)();
  }
  bool cancelled() const { return cancelled_; }
  // For HttpClient: what cancel() runs while a send is on its way; empty when it is not.
  void set(std::function<void()> on_cancel) { on_cancel_ = std::move(on_cancel); }

 private:
  bool cancelled_ = false;
  std::function<void()> on_cancel_;
};

// The answer to one request on one pooled connection. Destroying it before the body's end closes the
// connection, which is how a request is cancelled.
class HttpResponse {
 public:
  virtual ~HttpResponse() = default;
  virtual const codec::HttpHead& head() const = 0;
  // The next piece of the body as it arrives, chunk framing removed (all chunks of one read from the socket
  // come as one piece); empty = clean end. Valid until the next call.
  virtual Task<base::Result<std::string_view>> read_some() = 0;
  // The rest of the body, up to `limit`.
  virtual Task<base::Result<std::string>> read_all(std::size_t limit) = 0;
  // Any time on the loop: makes a pending read fail with client_gone and closes the connection.
  virtual void cancel() = 0;
};

struct HttpClientOptions {
  std::size_t max_idle_per_endpoint = 256;
  base::Duration idle_timeout = std::chrono::seconds(30);
  base::Duration connect_timeout = std::chrono::seconds(2);
  codec::HttpHeadLimits head{};
};

class HttpClient {
 public:
  HttpClient(Loop& loop, HttpClientOptions options = {});
  ~HttpClient();
  // Sends and waits for the head, until `deadline`. Uses an idle connection when there is one; a reused
  // connection that turns out closed before any byte of the answer is replaced once (the request was not
  // processed). io_failed with connected=false text "cannot connect" means the request never left.
  Task<base::Result<std::unique_ptr<HttpResponse>>> send(const Endpoint& endpoint, const HttpRequest& request,
                                                         base::Deadline deadline);
  // Closes idle connections to an endpoint that is gone.
  void forget(const Endpoint& endpoint);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// For the CLI and tests: one request on a private loop, blocking. `on_data` gets body pieces as they come
// (return false to stop); when empty, the body is collected. `cancelled`, when given, is looked at every 50
// ms: once true the connection is closed and the call fails with `interrupted` (a signal handler may set it).
struct BlockingResponse {
  int status = 0;
  std::string body;
};
base::Result<BlockingResponse> http_call(const Endpoint& endpoint, const HttpRequest& request,
                                         base::Deadline deadline,
                                         const std::function<bool(std::string_view)>& on_data = {},
                                         const std::atomic<bool>* cancelled = nullptr);

}  // namespace slipway::io
