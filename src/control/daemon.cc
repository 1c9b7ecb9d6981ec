#include "control/daemon.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "control/api.h"
#include "control/gpus.h"
#include "control/record.h"
#include "control/replica_gauges.h"
#include "control/startup.h"
#include "gateway/server.h"
#include "io/offload.h"
#include "io/proc.h"
#include "io/service.h"
#include "store/logs.h"
#include "telemetry/log.h"

namespace slipway::control {
namespace {

using base::Result;
using telemetry::Level, telemetry::Metric;

// Everything that runs, in the order in which it is made; it goes in the reverse order.
class Daemon {
 public:
  explicit Daemon(DaemonOptions options) : options_(std::move(options)) {}
  ~Daemon() { telemetry::set_log_sink({}); }

  Result<void> start();
  void run() { loop_.run(); }

 private:
  Result<void> open_state();
  Result<void> start_gateway();
  Result<void> start_supervisor();
  Result<void> start_api();
  Result<void> publish_keys();
  Result<void> record_start();
  void serve();
  void every_second();
  void on_signal(int number);
  OperationPtr shut_down(base::Duration drain, const store::Actor& by);
  io::Task<> run_shutdown(base::Deadline deadline, store::Actor by);
  Receipt::Stopped stopped_replica(const StoppedReplica& stopped) const;
  std::string url() const { return url_of(gateway_->local()); }

  const DaemonOptions options_;
  const base::WallTime started_ = base::wall_now();
  const base::MonotonicTime started_at_ = base::monotonic_now();
  telemetry::Registry metrics_;
  base::Published<domain::Snapshot> snapshot_;
  base::Published<domain::KeySet> keys_;
  std::optional<store::Environment> environment_;
  std::unique_ptr<store::LogWriter> logs_;
  std::optional<store::KeyStore> key_store_;
  std::optional<store::ModelStore> models_;
  std::filesystem::path worker_;
  codec::Catalog catalog_;
  std::vector<Asked> wanted_;
  bool keys_required_ = false;
  io::Loop loop_{"control"};
  std::unique_ptr<supervisor::Supervisor> supervisor_;
  std::unique_ptr<LocalTarget> target_;
  std::unique_ptr<Top> top_;
  std::unique_ptr<ReplicaGauges> replica_gauges_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::unique_ptr<Api> api_;
  OperationPtr shutdown_;
};

Result<void> Daemon::start() {
  SLIPWAY_TRY(worker_, find_worker(options_));
  SLIPWAY_RETURN_IF_ERROR(open_state());
  SLIPWAY_RETURN_IF_ERROR(start_supervisor());
  SLIPWAY_RETURN_IF_ERROR(start_gateway());
  SLIPWAY_RETURN_IF_ERROR(record_start());
  SLIPWAY_RETURN_IF_ERROR(start_api());
  serve();
  return {};
}

Result<void> Daemon::open_state() {
  auto environment = store::Environment::open(options_.paths, options_.environment, started_);
  if (!environment) return std::move(environment).error();
  environment_.emplace(std::move(*environment));
  SLIPWAY_TRY(logs_, store::LogWriter::open(environment_->paths().logs));
  telemetry::set_log_sink([writer = logs_.get()](std::string_view lines) { writer->write(lines); });
  auto models =
      store::ModelStore::open(options_.paths.data / "models", store::ModelStoreSettings::from_environment());
  if (!models) return std::move(models).error();
  models_.emplace(std::move(*models));
  key_store_.emplace(environment_->database());
  SLIPWAY_TRY(const auto stored, environment_->deployments());
  const policy::Hardware hardware{io::processor_features(), 0};
  SLIPWAY_TRY(catalog_, load_catalog(options_.blueprint));
  SLIPWAY_TRY(wanted_, wanted_models(options_, catalog_, hardware, !stored.empty()));
  return {};
}

Result<void> Daemon::start_supervisor() {
  supervisor::SupervisorOptions options;
  options.program = worker_;
  options.sockets = environment_->paths().workers;
  options.leftovers = environment_->paths().workers.string() + ".pids";
  options.liveness.silence = std::chrono::seconds(options_.blueprint.worker_progress_timeout_s);
  options.liveness.start_silence = std::max(options.liveness.start_silence, options.liveness.silence);
  SLIPWAY_TRY(supervisor_, supervisor::Supervisor::open(loop_, std::move(options), metrics_,
                                                        [this](const supervisor::Replica& r) {
                                                          if (target_) target_->on_replica(r);
                                                        }));
  target_ =
      std::make_unique<LocalTarget>(TargetParts{loop_, *supervisor_, *environment_, *models_, catalog_,
                                                snapshot_, [worker = worker_] { return read_gpus(worker); }},
                                    [this](const std::string& id, const Deployment& d) {
                                      return model_json(id, d, *supervisor_, url(), loop_.now());
                                    });
  top_ = std::make_unique<Top>(*target_, *supervisor_, metrics_);
  replica_gauges_ = std::make_unique<ReplicaGauges>(*target_, *supervisor_, metrics_);
  return {};
}

Result<void> Daemon::start_gateway() {
  const domain::Blueprint& blueprint = options_.blueprint;
  SLIPWAY_TRY(const domain::KeySet known, key_store_->load(false, base::wall_now()));
  SLIPWAY_TRY(const domain::Endpoint address, gateway_address(blueprint, known));
  keys_required_ = !io::is_loopback(address);
  SLIPWAY_RETURN_IF_ERROR(publish_keys());
  gateway::GatewayOptions options;
  options.threads = blueprint.gateway_threads;
  options.json.max_bytes = blueprint.gateway_max_body_bytes;
  options.request_timeout = std::chrono::seconds(blueprint.gateway_request_timeout_s);
  options.quarantined = [this](std::uint64_t fingerprint) {
    return supervisor_->quarantine().refused(fingerprint);
  };
  options.request_log = [writer = logs_.get()](std::string_view lines) { writer->write(lines); };
  gateway_ = std::make_unique<gateway::Gateway>(std::move(options), snapshot_, keys_, metrics_);
  return gateway_->start(address);
}

Result<void> Daemon::publish_keys() {
  SLIPWAY_TRY(domain::KeySet set, key_store_->load(keys_required_, base::wall_now()));
  metrics_.gauge(Metric::keys_active).set(static_cast<double>(set.keys.size()));
  keys_.publish(std::make_shared<const domain::KeySet>(std::move(set)));
  return {};
}

Result<void> Daemon::start_api() {
  ApiParts parts{
      .loop = loop_,
      .target = *target_,
      .supervisor = *supervisor_,
      .keys = *key_store_,
      .models = *models_,
      .catalog = catalog_,
      .top = *top_,
      .facts = {.environment = options_.environment,
                .gateway_url = url(),
                .keys_required = keys_required_,
                .started = started_,
                .started_at = started_at_,
                .pid = ::getpid()},
      .logs = environment_->paths().logs,
      .flush_logs = [writer = logs_.get()] { writer->flush(); },
      .drain = std::chrono::seconds(options_.blueprint.drain_timeout_s),
      .publish_keys = [this] { return publish_keys(); },
      .shutdown = [this](base::Duration drain, const store::Actor& by) { return shut_down(drain, by); }};
  api_ = std::make_unique<Api>(std::move(parts));
  return api_->start(environment_->paths().control_socket);
}

// The head in the log is one that is kept elsewhere where logs are shipped.
Result<void> Daemon::record_start() {
  store::AuditLog audit = environment_->audit();
  SLIPWAY_TRY(const store::AuditCheck found, audit.check());
  if (found.broken > 0)
    telemetry::log(Level::error, "audit_broken",
                   fmt::format("record {} of the audit log: {}", found.broken, found.why));
  telemetry::log(Level::info, "audit", "what was done is recorded after these records",
                 {{"records", found.records}, {"head", found.head}});
  return audit.append(start_entry(options_.environment, options_.blueprint, url(), wanted_));
}

void Daemon::serve() {
  metrics_.gauge(Metric::build_info, {SLIPWAY_VERSION, "daemon"}).set(1);
  metrics_.gauge(Metric::process_start)
      .set(static_cast<double>(
          std::chrono::duration_cast<std::chrono::seconds>(started_.time_since_epoch()).count()));
  io::on_signals(loop_, {SIGTERM, SIGINT}, [this](int number) { on_signal(number); });
  loop_.every(std::chrono::seconds(1), [this] { every_second(); });
  telemetry::log(Level::info, "daemon_started", fmt::format("serving at {}", url()),
                 {{"environment", options_.environment},
                  {"version", SLIPWAY_VERSION},
                  {"pid", std::int64_t{::getpid()}}});
  for (const std::string& warning : options_.blueprint.warnings)
    telemetry::log(Level::warn, "blueprint", warning);
  target_->restore(wanted_);
  io::notify_service_manager("READY=1\nSTATUS=serving at " + url());
  if (options_.on_ready) options_.on_ready({url(), environment_->paths().control_socket, ::getpid()});
}

void Daemon::every_second() {
  top_->sample(loop_.now());
  replica_gauges_->refresh();
  if (const auto use = io::process_use(::getpid())) {
    metrics_.gauge(Metric::process_cpu).set(use->cpu_seconds);
    metrics_.gauge(Metric::process_resident).set(static_cast<double>(use->resident_bytes));
  }
}

void Daemon::on_signal(int number) {
  if (shutdown_ == nullptr) {
    telemetry::log(Level::info, "signal", fmt::format("signal {}: draining", number));
    shut_down(std::chrono::seconds(options_.blueprint.drain_timeout_s), {.via = "signal"});
    return;
  }
  telemetry::log(Level::warn, "signal", "a second signal: cutting what still runs");
  supervisor_->cut_all();
}

OperationPtr Daemon::shut_down(base::Duration drain, const store::Actor& by) {
  const auto outcome = shutdown_ == nullptr ? store::kBegun : store::kJoined;
  const auto recorded = environment_->audit().append(down_entry(by, options_.environment, outcome));
  if (!recorded)  // a disk that is full must not keep us running
    telemetry::log(Level::error, "audit_not_written", recorded.error().to_string(), {{"action", "down"}});
  if (shutdown_ == nullptr) {
    shutdown_ = std::make_shared<Operation>("shutdown");
    loop_.spawn(run_shutdown(base::Deadline::after(drain), by));
  }
  return shutdown_;
}

Receipt::Stopped Daemon::stopped_replica(const StoppedReplica& s) const {
  return {"replica", s.id.str(), s.report.pid, s.report.drained};
}

// The gateway first, so that nobody new comes in; then the replicas; the control API last, with the receipt.
io::Task<> Daemon::run_shutdown(base::Deadline deadline, store::Actor by) {
  const base::MonotonicTime began = loop_.now();
  io::notify_service_manager("STOPPING=1");
  const std::uint32_t in_flight = gateway_->in_flight();
  shutdown_->progress({.phase = "drain",
                       .subject = "gateway",
                       .total = in_flight,
                       .unit = "requests",
                       .message = fmt::format("finishing {} running requests", in_flight)},
                      began);
  Receipt receipt;
  {
    io::Loop thread("drain");  // drain() blocks, and the workers must be heard meanwhile
    thread.start();
    receipt.requests_cut = co_await io::run_on(
        thread, [gateway = gateway_.get(), deadline] { return gateway->drain(deadline); });
  }
  receipt.stopped.push_back({"gateway", url(), ::getpid(), receipt.requests_cut == 0});
  constexpr base::Duration kWorkerGrace =
      std::chrono::seconds(2);  // after the gateway there is little left to finish
  const auto stopped =
      co_await target_->stop_all(base::Deadline(std::max(deadline.at(), loop_.now() + kWorkerGrace)));
  for (const StoppedReplica& s : stopped) {
    receipt.stopped.push_back(stopped_replica(s));
    receipt.requests_cut += s.report.requests_cut;
  }
  receipt.stopped.push_back({"daemon", options_.environment, ::getpid(), true});
  const store::EnvironmentPaths& paths = environment_->paths();
  receipt.removed = {paths.control_socket, paths.workers};
  receipt.kept = {paths.directory, models_->root()};
  receipt.seconds = base::seconds(loop_.now() - began);
  const nlohmann::json json = receipt_json(receipt);
  const auto written = environment_->add_receipt("down", json.dump(), base::wall_now(),
                                                 down_entry(by, options_.environment, store::kDone));
  if (!written) telemetry::log(Level::error, "state_not_written", written.error().to_string());
  telemetry::log(Level::info, "daemon_stopped", fmt::format("{} requests cut", receipt.requests_cut));
  shutdown_->finish(json);
  co_await api_->stop(base::Deadline::after(std::chrono::seconds(2)));
  loop_.stop();
}

}  // namespace

std::filesystem::path control_socket(const io::Paths& paths, const std::string& environment) {
  return paths.runtime / (environment + ".sock");
}

Result<void> run_daemon(DaemonOptions options) {
  const std::filesystem::path socket = control_socket(options.paths, options.environment);
  Daemon daemon(std::move(options));
  SLIPWAY_RETURN_IF_ERROR(daemon.start());
  daemon.run();
  std::error_code ignored;
  std::filesystem::remove(socket, ignored);
  return {};
}

}  // namespace slipway::control
