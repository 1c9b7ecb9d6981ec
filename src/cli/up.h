// What `up` and `serve --role all` share: the daemon in this process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/blueprint_settings.h"
#include "cli/verb.h"

namespace slipway::cli {

// In the environment's state folder: what the daemon wrote past its log (crashes); `.1` is the run before.
inline constexpr std::string_view kDaemonOutput = "daemon.out";

struct UpOptions {
  BlueprintSources sources;
  bool foreground = false;
  bool no_models = false;
  bool dry_run = false;
  bool allow_my_ip = false;  // of target "eks", as is `reachable`
  bool reachable = false;
  bool check_pools = false;
  std::int64_t report_fd = -1;  // hidden: where the daemon of a background `up` reports
};

// The child's end of the report pipe: one JSON line, {"ready":{...}} or {"error":{...}}, then it is closed.
// Does nothing for a descriptor below 0 or a second time.
class StartReport {
 public:
  explicit StartReport(std::int64_t fd) : fd_(static_cast<int>(fd)) {}
  bool wanted() const { return fd_ >= 0; }
  void ready(const Json& facts) { send(Json{{"ready", facts}}); }
  void failed(const base::Error& error) { send(error_json(error)); }

 private:
  void send(const Json& value);
  int fd_;
};

// Blocks until the daemon ends.
base::Result<int> run_in_foreground(Invocation& invocation, const UpOptions& options,
                                    const LoadedBlueprint& loaded, StartReport& report);
// Starts this program again as a daemon of its own session, and waits until it serves.
base::Result<Json> start_in_background(const UpOptions& options, const std::string& environment);

}  // namespace slipway::cli
