#include "gateway/serve.h"

#include <algorithm>
#include <csignal>
#include <memory>

#include "gateway/key_file.h"
#include "io/append_file.h"
#include "io/http.h"
#include "io/service.h"

namespace slipway::gateway {

using base::Error, base::ErrorCode, base::Result;

namespace {

constexpr auto kKeyFileEvery = std::chrono::seconds(2);

domain::Model& model_named(domain::Snapshot& snapshot, std::string_view id) {
  auto it = std::ranges::find(snapshot.models, id, &domain::Model::id);
  if (it == snapshot.models.end()) {
    domain::Model model;
    model.id = id;
    it = snapshot.models.insert(it, std::move(model));
  }
  return *it;
}

}  // namespace

Result<domain::Snapshot> static_snapshot(const std::vector<std::string>& replicas) {
  if (replicas.empty())
    return Error(ErrorCode::missing_key, "no replica is named").with_next("Add --replica MODEL=ENDPOINT.");
  if (replicas.size() > domain::kMaxReplicas)
    return Error(ErrorCode::bad_value,
                 "at most " + std::to_string(domain::kMaxReplicas) + " replicas are served");
  domain::Snapshot snapshot;
  std::uint32_t slot = 0;
  for (const std::string& text : replicas) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(ErrorCode::bad_value, "`" + text + "` is not MODEL=ENDPOINT");
    domain::Replica replica;
    SLIPWAY_TRY(replica.endpoint, io::parse_endpoint(std::string_view(text).substr(equals + 1)));
    replica.model_id = text.substr(0, equals);
    replica.state = domain::ReplicaState::ready;
    replica.slot = slot++;
    domain::Model& model = model_named(snapshot, replica.model_id);
    replica.id = base::ReplicaId(model.id + "-" + std::to_string(model.replicas.size()));
    model.replicas.push_back(std::move(replica));
  }
  std::ranges::sort(snapshot.models, {}, &domain::Model::id);
  for (domain::Model& model : snapshot.models) std::ranges::sort(model.replicas, {}, &domain::Replica::id);
  return snapshot;
}

Result<void> run_gateway_role(const GatewayRoleOptions& options,
                              const base::Published<domain::Snapshot>& snapshot,
                              const std::function<void(const domain::Endpoint&)>& on_ready) {
  SLIPWAY_TRY(const domain::Endpoint listen, io::parse_endpoint(options.listen));
  base::Published<domain::KeySet> keys;
  KeyFile key_file(options.key_file, keys);
  if (!options.key_file.empty()) SLIPWAY_RETURN_IF_ERROR(key_file.read());
  GatewayOptions gateway_options;
  gateway_options.threads = options.threads;
  gateway_options.ready_without_models = options.ready_without_models;
  std::unique_ptr<io::AppendFile> log;
  if (!options.log.empty()) {
    SLIPWAY_TRY(log, io::AppendFile::open(options.log));
    gateway_options.request_log = [&log](std::string_view lines) { log->append(lines); };
  }
  telemetry::Registry metrics;
  metrics.gauge(telemetry::Metric::build_info, {SLIPWAY_VERSION, "gateway"}).set(1);
  Gateway gateway(std::move(gateway_options), snapshot, keys, metrics);

  io::raise_file_limit();
  io::Loop signals("signals");
  io::on_signals(signals, {SIGINT, SIGTERM}, [&signals](int) { signals.stop(); });
  if (!options.key_file.empty()) signals.every(kKeyFileEvery, [&key_file] { key_file.read_again(); });
  SLIPWAY_RETURN_IF_ERROR(gateway.start(listen));
  if (on_ready) on_ready(gateway.local());
  io::notify_service_manager("READY=1");
  signals.run();
  io::notify_service_manager("STOPPING=1");
  gateway.drain(base::Deadline::after(options.drain));
  gateway.stop();
  return {};
}

}  // namespace slipway::gateway
