// The gateway alone: `slipway serve --role gateway`.
//
//   slipway serve --role gateway --listen 127.0.0.1:8000 --replica MODEL=ENDPOINT [--replica ...]
//   slipway serve --role gateway --listen 0.0.0.0:8000 --key-file FILE --namespace models
//
// For containers and benchmarks: no daemon, no state folder. The replicas are whatever the Snapshot says: a
// fixed list (static_snapshot), taken as ready, where a dead one is found out by using it; or a cluster's
// (control/cluster_watch). The key file is read again when it changes; one that is wrong then is logged, and
// the keys before stay.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/replica.h"
#include "gateway/server.h"

namespace slipway::gateway {

struct GatewayRoleOptions {
  std::string listen = "127.0.0.1:8000";
  std::string key_file;  // key_file.h; nobody outside its owner and group may read it
  std::string log;       // request log: a file (appended), "-" for stdout, empty for none
  int threads = 1;
  base::Duration drain = std::chrono::seconds(30);
  bool ready_without_models = false;  // GatewayOptions'
};

// Serves until SIGINT or SIGTERM, then drains. `on_ready` gets the address once it listens. Blocks; main
// thread.
base::Result<void> run_gateway_role(const GatewayRoleOptions& options,
                                    const base::Published<domain::Snapshot>& snapshot,
                                    const std::function<void(const domain::Endpoint&)>& on_ready = {});

// "MODEL=ENDPOINT" each, ENDPOINT as in io::parse_endpoint; a model may be named twice.
base::Result<domain::Snapshot> static_snapshot(const std::vector<std::string>& replicas);

}  // namespace slipway::gateway
