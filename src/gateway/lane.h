// One thread of the gateway: its loop, its server and client, and what they reuse from request to request.
//
// A sweep (GatewayOptions::sweep) looks at the sessions that live longer than one round: deadlines, clients
// that left, streams that were silent too long. So a request that is answered at once pays for none of it.
// Threads: made and destroyed by the Gateway's owner, otherwise its own loop only.
#pragma once

#include <future>
#include <memory>
#include <vector>

#include "gateway/core.h"
#include "gateway/observe.h"
#include "io/http.h"

namespace slipway::gateway {

class Session;

class Lane {
 public:
  Lane(Core& core, int index);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  base::Result<void> listen(const domain::Endpoint& endpoint, bool share_port);
  domain::Endpoint local() const { return server_->local(); }
  void start() {
    started_ = true;
    loop_->start();
  }
  // Any thread; the future is ready when this lane's connections are gone or cut.
  std::future<std::size_t> drain(base::Deadline deadline);
  void stop();

  // For sessions, on the loop.
  void enter(Session& session);
  void leave(Session& session);
  base::MonotonicTime now() { return loop_->now(); }

  Core& core;
  Observer observer;
  base::Published<domain::Snapshot>::Reader snapshot;
  base::Published<domain::KeySet>::Reader keys;
  codec::RequestReader reader;
  codec::AnswerReader answers;
  policy::RetryBudget retries;
  std::vector<std::uint32_t> loads;  // scratch of one routing decision
  io::HttpClient& client() { return *client_; }

 private:
  void sweep();
  void sample_connections();

  bool started_ = false;
  Session* sessions_ = nullptr;  // intrusive list
  io::HttpServer::Stats seen_;
  std::size_t open_seen_ = 0;
  // In this order: what runs on a loop ends before it.
  std::unique_ptr<io::Loop> loop_;
  std::unique_ptr<io::HttpClient> client_;
  std::unique_ptr<io::HttpServer> server_;
};

}  // namespace slipway::gateway
