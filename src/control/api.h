// The control API of docs/control-api.md, on the environment's unix socket.
//
// Only the user who runs the daemon (or root) is answered. Each call is a small handler over the daemon's
// parts; long ones stream an Operation as server-sent events. Threads: the loop's. Bounds: kMaxBody, the
// server's limits.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/published.h"
#include "control/operation.h"
#include "control/target.h"
#include "control/top.h"
#include "control/views.h"
#include "io/http.h"
#include "store/keys.h"
#include "store/logs.h"

namespace slipway::control {

struct ApiParts {
  io::Loop& loop;
  LocalTarget& target;
  supervisor::Supervisor& supervisor;
  store::KeyStore& keys;
  store::ModelStore& models;
  const codec::Catalog& catalog;
  Top& top;
  DaemonFacts facts;
  std::filesystem::path logs;
  std::function<void()> flush_logs;                  // what was logged so far is in the files after it
  base::Duration drain;                              // when the caller names none
  std::function<base::Result<void>()> publish_keys;  // after a change
  // The same operation every time.
  std::function<OperationPtr(base::Duration drain, const store::Actor& by)> shutdown;
};

class Api {
 public:
  explicit Api(ApiParts parts);
  ~Api();
  // Listens on `socket`, replacing a file that nobody listens on.
  base::Result<void> start(const std::filesystem::path& socket);
  io::Task<> stop(base::Deadline deadline);
  // The whole status, for the end of a progress stream too.
  nlohmann::json status() const;

 private:
  static constexpr std::uint64_t kMaxBody = 2u << 20;  // a values file is at most 1 MiB
  io::Task<> handle(io::Exchange& exchange);
  // One handler a call; an Error is answered in the API's shape.
  io::Task<base::Result<void>> route(io::Exchange& exchange);
  io::Task<base::Result<void>> deploy(io::Exchange& exchange);
  io::Task<base::Result<void>> create_key(io::Exchange& exchange);
  io::Task<base::Result<void>> shut_down(io::Exchange& exchange);
  io::Task<base::Result<void>> show_catalog(io::Exchange& exchange);
  io::Task<base::Result<void>> show_logs(io::Exchange& exchange);
  io::Task<base::Result<void>> follow_logs(io::Exchange& exchange, store::LogFilter filter, std::size_t tail);
  io::Task<base::Result<void>> follow_all(io::Exchange& exchange);
  io::Task<base::Result<void>> undeploy(io::Exchange& exchange, const std::string& id);
  io::Task<base::Result<void>> revoke_key(io::Exchange& exchange, const std::string& id);
  io::Task<base::Result<void>> list_keys(io::Exchange& exchange);
  nlohmann::json models() const;
  nlohmann::json model(const std::string& id, const Deployment& deployment) const;

  ApiParts parts_;
  std::unique_ptr<io::HttpServer> server_;
};

}  // namespace slipway::control
