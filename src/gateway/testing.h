// For the tests of this room: a fake replica that does what the test says, and a gateway in front of it. Real
// sockets, port 0. Nothing here waits by time: what must have happened is waited for on a promise, with a
// bound that only a hang reaches.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "gateway/server.h"
#include "io/event.h"
#include "io/http.h"
#include "store/keys.h"

namespace slipway::gateway::testing {

using namespace std::chrono_literals;
using nlohmann::json;

inline constexpr auto kHang = 30s;

inline domain::Endpoint loopback(std::uint16_t port = 0) {
  domain::Endpoint e;
  e.host = "127.0.0.1";
  e.port = port;
  return e;
}

// A latch between threads.
class Signal {
 public:
  void set() {
    if (!set_.exchange(true)) promise_.set_value();
  }
  // False when it hangs.
  bool wait() { return future_.wait_for(kHang) == std::future_status::ready; }
  bool is_set() const { return set_; }

 private:
  std::atomic<bool> set_{false};
  std::promise<void> promise_;
  std::shared_future<void> future_{promise_.get_future()};
};

// Suspends a handler of a fake replica until the test lets it go on.
class Gate {
 public:
  void open() { open_ = true; }
  io::Task<> passed() {
    while (!open_) co_await io::sleep_for(1ms);
  }

 private:
  std::atomic<bool> open_{false};
};

inline std::string chunk_event(std::string_view text) {
  return "data: {\"choices\":[{\"delta\":{\"content\":\"" + std::string(text) + "\"}}]}\n\n";
}
inline const std::string kUsageEvent =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}\n\n";
inline const std::string kDone = "data: [DONE]\n\n";
inline const std::string kAnswer =
    R"({"id":"x","object":"chat.completion","choices":[{"message":{"role":"assistant","content":"hi"}}],)"
    R"("usage":{"prompt_tokens":5,"completion_tokens":2}})";

// A replica on its own loop. The behaviour runs after the body was read.
class FakeReplica {
 public:
  using Behaviour = std::function<io::Task<>(io::Exchange&)>;
  struct Seen {
    std::string target, body;
    std::map<std::string, std::string> headers;
  };

  explicit FakeReplica(Behaviour behaviour) : loop_("replica"), behaviour_(std::move(behaviour)) {
    server_ = std::make_unique<io::HttpServer>(loop_, io::HttpServerOptions{},
                                               [this](io::Exchange& x) { return handle(x); });
    const auto listening = server_->listen(loopback());
    EXPECT_TRUE(listening) << listening.error().to_string();
    endpoint_ = server_->local();
    loop_.start();
  }
  ~FakeReplica() {
    Signal released;
    loop_.post([&] {
      server_.reset();
      released.set();
    });
    released.wait();
  }
  const domain::Endpoint& endpoint() const { return endpoint_; }
  std::vector<Seen> seen() const {
    std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  io::Task<> handle(io::Exchange& x) {
    const auto body = co_await x.body();
    if (!body) co_return;
    {
      std::lock_guard lock(mutex_);
      Seen& s = seen_.emplace_back();
      s.target = x.head().target;
      s.body = *body;
      for (std::size_t i = 0; i < x.head().header_count; ++i)
        s.headers[std::string(x.head().headers[i].name)] = x.head().headers[i].value;
    }
    co_await behaviour_(x);
  }

  io::Loop loop_;
  Behaviour behaviour_;
  std::unique_ptr<io::HttpServer> server_;
  domain::Endpoint endpoint_;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;  // guarded by mutex_
};

// Behaviours.
inline io::Task<> answer_ok(io::Exchange& x) {
  static_cast<void>(co_await x.respond(200, {{"content-type", "application/json"}}, kAnswer));
}
inline io::Task<> stream_two(io::Exchange& x) {
  static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream"}}));
  for (const std::string& event : {chunk_event("he"), chunk_event("llo"), kUsageEvent, kDone})
    static_cast<void>(co_await x.write(event));
  static_cast<void>(co_await x.finish());
}
inline io::Task<> die(io::Exchange& x) {
  x.abort();
  co_return;
}

// A server that answers every connection with the same bytes and closes: for what is no HTTP.
class RawServer {
 public:
  explicit RawServer(std::string bytes) : bytes_(std::move(bytes)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    socklen_t length = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    endpoint_ = loopback(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  const domain::Endpoint& endpoint() const { return endpoint_; }

 private:
  void serve() {
    while (true) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      char buffer[64 * 1024];
      static_cast<void>(::recv(fd, buffer, sizeof(buffer), 0));
      static_cast<void>(::send(fd, bytes_.data(), bytes_.size(), MSG_NOSIGNAL));
      ::close(fd);
    }
  }
  std::string bytes_;
  int listener_ = -1;
  domain::Endpoint endpoint_;
  std::thread thread_;
};

inline domain::Model model_of(std::string id, const std::vector<domain::Endpoint>& endpoints,
                              std::uint32_t first_slot = 0) {
  domain::Model m;
  m.id = std::move(id);
  m.aliases = {"owner/" + m.id};
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    domain::Replica r;
    r.id = base::ReplicaId(m.id + "-" + std::to_string(i));
    r.model_id = m.id;
    r.endpoint = endpoints[i];
    r.state = domain::ReplicaState::ready;
    r.slot = first_slot + static_cast<std::uint32_t>(i);
    r.parallel = 4;
    m.replicas.push_back(r);
  }
  return m;
}

struct Answer {
  int status = 0;
  std::string body;
  base::ErrorCode failed{};  // when no answer came
  json error() const {
    const json j = json::parse(body, nullptr, false);
    return j.is_object() && j.contains("error") ? j["error"] : json::object();
  }
  std::string symbol() const { return error().value("symbol", ""); }
  // A stream without its comments: one that carries the head early comes or not, as the sweep's tick falls.
  std::string events() const {
    std::string out;
    for (std::size_t from = 0; from < body.size();) {
      const std::size_t blank = body.find("\n\n", from);
      const std::size_t end = blank == std::string::npos ? body.size() : blank + 2;
      if (body[from] != ':') out += body.substr(from, end - from);
      from = end;
    }
    return out;
  }
};

class TestGateway {
 public:
  explicit TestGateway(std::vector<domain::Model> models, GatewayOptions options = {},
                       domain::KeySet keys = {}) {
    domain::Snapshot snapshot;
    snapshot.models = std::move(models);
    snapshot_.publish(std::make_shared<const domain::Snapshot>(std::move(snapshot)));
    keys_.publish(std::make_shared<const domain::KeySet>(std::move(keys)));
    options.sweep = 2ms;
    options.request_log = [this](std::string_view lines) {
      std::lock_guard lock(mutex_);
      log_ += lines;
    };
    gateway_ = std::make_unique<Gateway>(std::move(options), snapshot_, keys_, metrics_);
    const auto started = gateway_->start(loopback());
    EXPECT_TRUE(started) << started.error().to_string();
  }

  Gateway& gateway() { return *gateway_; }
  base::Published<domain::Snapshot>& snapshot() { return snapshot_; }
  std::string metrics() const { return metrics_.render(false); }
  // Requests are counted after their answer left: true once /metrics has the line, false when it never comes.
  bool counts(std::string_view line) const {
    const base::Deadline hang = base::Deadline::after(kHang);
    while (metrics().find(line) == std::string::npos) {
      if (hang.passed(base::monotonic_now())) return false;
      std::this_thread::yield();
    }
    return true;
  }
  // Ends the gateway, so that every line is written.
  std::string log() {
    gateway_->stop();
    std::lock_guard lock(mutex_);
    return log_;
  }
  std::vector<json> log_records() {
    std::vector<json> out;
    std::istringstream lines(log());
    for (std::string line; std::getline(lines, line);) out.push_back(json::parse(line));
    return out;
  }

  Answer call(std::string_view method, std::string_view target, std::string_view body = {},
              std::vector<io::Header> headers = {},
              const std::function<bool(std::string_view)>& on_data = {}) {
    io::HttpRequest request;
    request.method = method;
    request.target = target;
    request.headers = std::move(headers);
    request.body = body;
    std::string seen;
    const auto response =
        io::http_call(gateway_->local(), request, base::Deadline::after(kHang),
                      on_data ? std::function<bool(std::string_view)>([&](std::string_view data) {
                        seen += data;
                        return on_data(data);
                      })
                              : std::function<bool(std::string_view)>());
    if (!response) return {.body = seen, .failed = response.error().code()};
    return {.status = response->status, .body = on_data ? seen : response->body};
  }
  Answer chat(std::string_view more = {}, std::vector<io::Header> headers = {},
              const std::function<bool(std::string_view)>& on_data = {}) {
    const std::string body =
        R"({"model":"m","messages":[{"role":"user","content":"a canary"}])" + std::string(more) + "}";
    return call("POST", "/v1/chat/completions", body, std::move(headers), on_data);
  }

 private:
  base::Published<domain::Snapshot> snapshot_;
  base::Published<domain::KeySet> keys_;
  telemetry::Registry metrics_;
  std::mutex mutex_;
  std::string log_;  // guarded by mutex_
  std::unique_ptr<Gateway> gateway_;
};

inline domain::KeySet one_key(std::string_view text, const domain::KeyLimits& limits = {},
                              bool required = true) {
  domain::KeySet set;
  set.required = required;
  domain::Key key;
  key.id = base::KeyId("key_test");
  key.digest = store::key_digest(text);
  key.scopes = {"inference"};
  key.limits = limits;
  set.keys.emplace(key.digest, key);
  return set;
}

}  // namespace slipway::gateway::testing
