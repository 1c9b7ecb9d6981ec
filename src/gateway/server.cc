#include "gateway/server.h"

#include <vector>

#include "base/check.h"
#include "gateway/core.h"
#include "gateway/lane.h"

namespace slipway::gateway {

using base::Error, base::ErrorCode, base::Result;

struct Gateway::Impl {
  Impl(GatewayOptions options, const base::Published<domain::Snapshot>& snapshot,
       const base::Published<domain::KeySet>& keys, telemetry::Registry& metrics)
      : core(std::move(options), snapshot, keys, metrics) {}
  Core core;
  domain::Endpoint local;
  std::vector<std::unique_ptr<Lane>> lanes;
};

Gateway::Gateway(GatewayOptions options, const base::Published<domain::Snapshot>& snapshot,
                 const base::Published<domain::KeySet>& keys, telemetry::Registry& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), snapshot, keys, metrics)) {
  SLIPWAY_CHECK(impl_->core.options.threads >= 1 && impl_->core.options.max_attempts >= 1);
}

Gateway::~Gateway() {
  stop();
}

Result<void> Gateway::start(const domain::Endpoint& listen) {
  Core& core = impl_->core;
  SLIPWAY_CHECK(impl_->lanes.empty());
  core.local_socket = !listen.path.empty();
  core.off_loopback = !io::is_loopback(listen);
  if (core.off_loopback && !core.keys.load()->required)
    return Error(ErrorCode::key_required, "the gateway would listen on " + io::to_string(listen) +
                                              ", which others can reach, and no key is required");
  // A unix socket cannot be shared by SO_REUSEPORT: one thread serves it.
  const int threads = core.local_socket ? 1 : core.options.threads;
  domain::Endpoint endpoint = listen;
  std::vector<std::unique_ptr<Lane>> lanes;
  for (int i = 0; i < threads; ++i) {
    lanes.push_back(std::make_unique<Lane>(core, i));
    SLIPWAY_RETURN_IF_ERROR(lanes.back()->listen(endpoint, threads > 1));
    endpoint = lanes.front()->local();  // a port that was picked is shared by the rest
  }
  impl_->local = endpoint;
  impl_->lanes = std::move(lanes);
  for (auto& lane : impl_->lanes) lane->start();
  return {};
}

domain::Endpoint Gateway::local() const {
  return impl_->local;
}

std::size_t Gateway::drain(base::Deadline deadline) {
  impl_->core.draining = true;
  std::vector<std::future<std::size_t>> parts;
  for (auto& lane : impl_->lanes) parts.push_back(lane->drain(deadline));
  std::size_t cut = 0;
  for (auto& part : parts) cut += part.get();
  return cut;
}

void Gateway::stop() {
  for (auto& lane : impl_->lanes) lane->stop();
  impl_->lanes.clear();
}

std::uint32_t Gateway::in_flight(std::uint32_t slot) const {
  SLIPWAY_CHECK(slot < domain::kMaxReplicas);
  return impl_->core.in_flight[slot].load(std::memory_order_relaxed);
}

std::uint32_t Gateway::in_flight() const {
  return impl_->core.requests.load(std::memory_order_relaxed);
}

}  // namespace slipway::gateway
