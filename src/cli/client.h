// The control API as the CLI sees it (docs/control-api.md): calls, streams with progress, and log lines, over
// the environment's unix socket.
//
// Ownership: a value; every call is a connection of its own. Threads: one; calls block and end early when
// Interrupt is raised (error `interrupted`). Failure: not_running when nobody listens, else the error that
// the daemon sent.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "domain/replica.h"

namespace slipway::cli {

class ControlClient {
 public:
  // The client of the environment that `globals` name. Opens nothing yet.
  static base::Result<ControlClient> of(const Globals& globals);

  base::Result<Json> get(const std::string& path) { return call("GET", path, Json()); }
  base::Result<Json> call(std::string_view method, const std::string& path, const Json& body);
  // A long operation: progress and notes go to `progress`, the answer is the result event.
  base::Result<Json> follow(std::string_view method, const std::string& path, const Json& body,
                            Progress& progress);
  // The answer line by line; `on_line` returns false to stop.
  base::Result<void> lines(const std::string& path, const std::function<bool(std::string_view)>& on_line);

  const std::string& environment() const { return environment_; }
  const std::string& socket() const { return endpoint_.path; }
  // Somebody answers at the socket.
  bool running();

 private:
  ControlClient(std::string environment, domain::Endpoint endpoint)
      : environment_(std::move(environment)), endpoint_(std::move(endpoint)) {}
  base::Error explain(base::Error error) const;
  std::string environment_;
  domain::Endpoint endpoint_;
};

// The error object of the control API or of the gateway, as an Error; `status` is the HTTP status it came
// with.
base::Error error_from_json(const Json& answer, int status);
// For a path segment or a query value (RFC 3986 unreserved characters stay).
std::string percent_encoded(std::string_view text);

}  // namespace slipway::cli
