// The daemon for fault tests: control::run_daemon with its settings from the command line, without the CLI
// around it.
//   fault-daemon HOME PORT WORKER PROGRESS_TIMEOUT_S DRAIN_S
// Prints one line, the gateway's address, when it serves; the error otherwise.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "control/daemon.h"

int main(int argc, char** argv) {
  using namespace slipway;
  if (argc != 6) {
    std::fprintf(stderr, "usage: fault-daemon HOME PORT WORKER PROGRESS_TIMEOUT_S DRAIN_S\n");
    return 2;
  }
  const std::filesystem::path home = argv[1];
  control::DaemonOptions options;
  options.paths = {home / "config", home / "data", home / "state", home / "run"};
  options.blueprint.gateway_port = static_cast<std::uint16_t>(std::atoi(argv[2]));
  options.worker = argv[3];
  options.blueprint.worker_progress_timeout_s = std::atoi(argv[4]);
  options.blueprint.drain_timeout_s = std::atoi(argv[5]);
  options.deploy_models = false;
  options.on_ready = [](const control::DaemonReady& ready) {
    std::printf("%s\n", ready.url.c_str());
    std::fflush(stdout);
  };
  const auto done = control::run_daemon(std::move(options));
  if (done) return 0;
  std::printf("%s\n", done.error().to_string().c_str());
  return base::info(done.error().code()).exit_code;
}
