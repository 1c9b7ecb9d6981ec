// The environment a person describes in a tfvars file: typed settings with the place each came from.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "domain/cluster.h"

namespace slipway::domain {

enum class Target { local, kubernetes, eks };

// One environment as its file describes it. The one table of variables (codec/blueprint) names, defaults and
// explains them.
struct Blueprint {
  std::string source;          // the file, or empty for defaults
  std::string name = "local";  // the environment's name
  Target target = Target::local;
  std::string gateway_host = "127.0.0.1";
  std::uint16_t gateway_port = 8000;
  std::uint64_t gateway_max_body_bytes = 4u << 20;
  int gateway_request_timeout_s = 600;
  int gateway_threads = 1;
  int worker_progress_timeout_s = 10;  // no beat for this long = no progress
  int drain_timeout_s = 30;
  std::string catalog_dir;  // folder with further catalogue files (*.yaml); empty = only the built-in one
  std::vector<std::string>
      models;       // values files or catalogue names deployed by `up`; empty = the embedded model
  Cluster cluster;  // what only a cluster's targets read
  // Where each variable that is not a default was set: "env.tfvars:3", "SLIPWAY_GATEWAY_PORT", "--port".
  std::map<std::string, std::string> origins;
  std::vector<std::string> notes;     // variables of other targets, accepted silently
  std::vector<std::string> warnings;  // variables accepted but not honoured here, with the reason
};

}  // namespace slipway::domain
