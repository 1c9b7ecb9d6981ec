#include "control/gpus.h"

#include "codec/worker_protocol.h"
#include "io/process.h"
#include "telemetry/log.h"

namespace slipway::control {
namespace {

constexpr base::Duration kPatience = std::chrono::seconds(20);  // a driver that starts up

base::Result<std::vector<domain::Gpu>> ask(const std::filesystem::path& worker) {
  io::ProcessSpec spec;
  spec.program = worker;
  spec.arguments = {"--gpus"};
  spec.environment = io::gpu_environment();
  SLIPWAY_TRY(const io::RunResult result, io::run(spec, base::Deadline::after(kPatience)));
  if (result.status.code != 0 || result.status.signal != 0)
    return base::Error(base::ErrorCode::start_failed,
                       "slipway-worker --gpus: " + result.status.describe() + ": " + result.output);
  const std::size_t at = result.output.find("{\"gpus\"");  // a driver may have said something before
  return codec::decode_gpus(at == std::string::npos ? "" : std::string_view(result.output).substr(at));
}

}  // namespace

std::vector<domain::Gpu> read_gpus(const std::filesystem::path& worker) {
  std::error_code none;
  if (!std::filesystem::exists("/dev/nvidiactl", none)) return {};
  auto found = ask(worker);
  if (found) return *std::move(found);
  telemetry::log(telemetry::Level::warn, "gpus_not_read", found.error().to_string());
  return {};
}

}  // namespace slipway::control
