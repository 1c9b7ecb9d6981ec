#include "engine/devices.h"

#include <fmt/format.h>
#include <ggml-backend.h>

namespace slipway::engine {
namespace {

std::vector<ggml_backend_dev_t> gpu_devices() {
  std::vector<ggml_backend_dev_t> out;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i)
    if (const auto device = ggml_backend_dev_get(i);
        ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_GPU)
      out.push_back(device);
  return out;
}

}  // namespace

std::vector<domain::Gpu> gpus() {
  std::vector<domain::Gpu> out;
  for (const ggml_backend_dev_t device : gpu_devices()) {
    std::size_t free = 0, total = 0;
    ggml_backend_dev_memory(device, &free, &total);
    out.push_back({ggml_backend_dev_name(device), ggml_backend_dev_description(device), total, free});
  }
  return out;
}

base::Result<void> start_device(std::string_view name) {
  SLIPWAY_TRY(const ggml_backend_dev_t device, find_device(name));
  std::size_t free = 0, total = 0;
  if (device != nullptr) ggml_backend_dev_memory(device, &free, &total);  // makes the driver's context
  return {};
}

base::Result<ggml_backend_device*> find_device(std::string_view name) {
  if (name == "cpu") return nullptr;
  std::string known;
  for (const ggml_backend_dev_t device : gpu_devices()) {
    if (name.empty() || name == ggml_backend_dev_name(device)) return device;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", ggml_backend_dev_name(device));
  }
  if (name.empty()) return nullptr;
  return base::Error(base::ErrorCode::load_failed, fmt::format("there is no device {}; this worker sees {}",
                                                               name, known.empty() ? "no GPU" : known))
      .with_next("Run `slipway-worker --gpus`, and `nvidia-smi` for the driver's view.");
}

}  // namespace slipway::engine
