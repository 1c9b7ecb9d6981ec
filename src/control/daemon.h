// The daemon: everything `slipway up` starts, in one process, in the foreground.
//
// Takes the environment's lock, opens its store, starts the gateway, the control API and the log, then makes
// the replicas match the stored deployments (adding the blueprint's models, by default the embedded one)
// until it is told to stop. SIGTERM and SIGINT drain; a second one cuts. Everything it started ends with it,
// also after kill -9.
//
// Threads: call from the main thread (children die with the thread that made them); it blocks on its event
// loop. Failure before serving: already_running (names the pid), port_taken (names the process),
// key_required, state_corrupt, worker_missing, permission; nothing is left behind then.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "domain/blueprint.h"
#include "io/files.h"

namespace slipway::control {

struct DaemonReady {
  std::string url;                       // "http://127.0.0.1:8000"
  std::filesystem::path control_socket;  // where the control API answers
  pid_t pid = 0;
};

struct DaemonOptions {
  std::string environment = "local";
  domain::Blueprint blueprint;
  bool deploy_models =
      true;  // false: add none of the blueprint's models (`up --no-models`); stored deployments start
  io::Paths paths;
  std::filesystem::path worker;  // empty: $SLIPWAY_WORKER, else slipway-worker beside this executable
  // Once the gateway and the control API answer; models may still be loading (GET /control/v1/progress
  // follows them).
  std::function<void(const DaemonReady&)> on_ready;
};

// `<runtime>/<environment>.sock`
std::filesystem::path control_socket(const io::Paths& paths, const std::string& environment);

// Returns after a clean stop.
base::Result<void> run_daemon(DaemonOptions options);

}  // namespace slipway::control
