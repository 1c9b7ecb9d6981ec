// The objects of docs/control-api.md as JSON: status, model, replica, key, top, receipt.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "control/rates.h"
#include "control/target.h"
#include "domain/key.h"

namespace slipway::control {

std::string_view state_name(domain::ReplicaState state);  // "ready", "crash_loop"
nlohmann::json replica_json(const supervisor::Replica& replica, base::MonotonicTime now);
nlohmann::json model_json(const std::string& id, const Deployment& deployment,
                          supervisor::Supervisor& supervisor, const std::string& gateway_url,
                          base::MonotonicTime now);

struct DaemonFacts {
  std::string environment;
  std::string gateway_url;
  bool keys_required = false;
  base::WallTime started{};
  base::MonotonicTime started_at{};
  pid_t pid = 0;
};
nlohmann::json status_json(const DaemonFacts& facts, const std::vector<nlohmann::json>& models,
                           base::MonotonicTime now);

nlohmann::json key_json(const domain::Key& key);
nlohmann::json top_model_json(const std::string& id, const Rates& rates, const Deployment& deployment,
                              supervisor::Supervisor& supervisor);

struct Receipt {
  struct Stopped {
    std::string what, id;  // "replica", "gateway", "daemon"
    pid_t pid = 0;
    bool drained = true;
  };
  std::vector<Stopped> stopped;
  std::vector<std::filesystem::path> removed, kept;
  std::uint64_t requests_cut = 0;
  double seconds = 0;
};
nlohmann::json receipt_json(const Receipt& receipt);

}  // namespace slipway::control
