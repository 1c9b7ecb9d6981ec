// A server for the tests of verbs: answers from a table, remembers what it was asked.
//
// Threads: its own loop; the table is filled before the first request, the record is read after the verb
// ended.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/http.h"

namespace slipway::cli {

struct FakeAnswer {
  int status = 200;
  std::string body = {};
  bool stream = false;  // text/event-stream
  bool hang = false;    // after the body: neither end nor close until the client goes
  bool cut = false;     // after the body: close without a clean end
  // Runs on the server's loop once the body is on its way (to raise an interrupt, for example).
  std::function<void()> then = {};
};

class FakeServer {
 public:
  explicit FakeServer(const domain::Endpoint& at) {
    server_.emplace(loop_, io::HttpServerOptions{},
                    [this](io::Exchange& exchange) { return handle(*this, exchange); });
    const auto listening = server_->listen(at);
    EXPECT_TRUE(listening) << listening.error().to_string();
    local_ = server_->local();
    loop_.start();
  }
  ~FakeServer() {
    std::promise<void> gone;
    loop_.spawn(drain(*this, gone));
    gone.get_future().wait();
    loop_.stop();
  }

  // `call` is "GET /control/v1/status"; the query is part of it.
  void on(const std::string& call, FakeAnswer answer) {
    std::lock_guard lock(mutex_);
    answers_[call] = std::move(answer);
  }
  const domain::Endpoint& local() const { return local_; }
  // "POST /control/v1/models {...}", in order.
  std::vector<std::string> asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  static io::Task<> drain(FakeServer& self, std::promise<void>& gone) {
    co_await self.server_->drain(base::Deadline::after(std::chrono::milliseconds(0)));
    gone.set_value();
  }

  static io::Task<> handle(FakeServer& self, io::Exchange& exchange) {
    const std::string call = std::string(exchange.head().method) + " " + std::string(exchange.head().target);
    const base::Result<std::string_view> body = co_await exchange.body();
    const FakeAnswer answer = self.look_up(call, body ? *body : std::string_view{});
    if (!answer.stream && !answer.hang && !answer.cut) {
      const auto sent =
          co_await exchange.respond(answer.status, {{"content-type", "application/json"}}, answer.body);
      if (sent && answer.then) answer.then();
      co_return;
    }
    const auto started = exchange.start_stream(answer.status, {{"content-type", "text/event-stream"}});
    if (!started) co_return;
    const auto sent = co_await exchange.write(answer.body);
    if (sent && answer.then) answer.then();
    if (answer.hang) exchange.on_client_gone([] {});
    while (answer.hang && !exchange.client_gone()) co_await io::sleep_for(std::chrono::milliseconds(5));
    if (answer.cut || answer.hang)
      exchange.abort();
    else
      const auto ended = co_await exchange.finish();
  }

  FakeAnswer look_up(const std::string& call, std::string_view body) {
    std::lock_guard lock(mutex_);
    asked_.push_back(body.empty() ? call : call + " " + std::string(body));
    const auto found = answers_.find(call);
    if (found != answers_.end()) return found->second;
    return {.status = 404,
            .body = R"({"error":{"code":"E2008","message":"the test has no answer for )" + call + R"("}})"};
  }

  io::Loop loop_{"fake"};
  std::optional<io::HttpServer> server_;
  domain::Endpoint local_;
  std::mutex mutex_;
  std::map<std::string, FakeAnswer> answers_;
  std::vector<std::string> asked_;
};

// One event of a stream.
inline std::string event(std::string_view name, std::string_view data) {
  return "event: " + std::string(name) + "\ndata: " + std::string(data) + "\n\n";
}

}  // namespace slipway::cli
