// The gateway alone, with a fixed list of replicas: `slipway serve --role gateway`.
//
//   slipway serve --role gateway --listen 127.0.0.1:8000 --replica MODEL=ENDPOINT [--replica ...] [--key-file
//   FILE] [--log FILE|-]
//
// For containers and benchmarks: no daemon, no state folder. Replicas are taken as ready; a dead one is found
// out by using it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/key.h"
#include "domain/replica.h"
#include "gateway/server.h"

namespace slipway::gateway {

struct GatewayRoleOptions {
  std::string listen = "127.0.0.1:8000";
  std::vector<std::string>
      replicas;  // "MODEL=ENDPOINT", ENDPOINT as in io::parse_endpoint; a model may be named twice
  std::string
      key_file;     // one key a line: KEY [requests/min [tokens/min [concurrent]]], # comments; mode 0600
  std::string log;  // request log: a file (appended), "-" for stdout, empty for none
  int threads = 1;
  base::Duration drain = std::chrono::seconds(30);
};

// Serves until SIGINT or SIGTERM, then drains. `on_ready` gets the address once it listens. Blocks; main
// thread.
base::Result<void> run_gateway_role(const GatewayRoleOptions& options,
                                    const std::function<void(const domain::Endpoint&)>& on_ready = {});

// The parts, for tests.
base::Result<domain::Snapshot> static_snapshot(const std::vector<std::string>& replicas);
base::Result<domain::KeySet> parse_key_file(std::string_view text);

}  // namespace slipway::gateway
