#include "supervisor/supervisor.h"

#include <algorithm>

#include "base/check.h"
#include "io/files.h"
#include "telemetry/log.h"

namespace slipway::supervisor {
namespace {

std::uint64_t fresh_seed() {
  std::uint8_t bytes[8];
  base::random_bytes(bytes);
  std::uint64_t seed;
  static_assert(sizeof(seed) == sizeof(bytes));
  __builtin_memcpy(&seed, bytes, sizeof(seed));
  return seed;
}

void empty_directory(const std::filesystem::path& directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored))
    std::filesystem::remove(entry.path(), ignored);
}

}  // namespace

base::Result<std::unique_ptr<Supervisor>> Supervisor::open(io::Loop& loop, SupervisorOptions options,
                                                           telemetry::Registry& metrics,
                                                           std::function<void(const Replica&)> changed) {
  std::error_code missing;
  if (!std::filesystem::exists(options.program, missing))
    return base::Error(base::ErrorCode::worker_missing, "there is no " + options.program.string());
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(options.sockets));
  for (const pid_t pid : end_leftovers(options.leftovers))
    telemetry::log(telemetry::Level::warn, "leftover_ended", "a worker of a killed daemon was still there",
                   {{"pid", std::int64_t{pid}}});
  empty_directory(options.sockets);
  return std::unique_ptr<Supervisor>(new Supervisor(loop, std::move(options), metrics, std::move(changed)));
}

Supervisor::Supervisor(io::Loop& loop, SupervisorOptions options, telemetry::Registry& metrics,
                       std::function<void(const Replica&)> changed)
    : loop_(loop),
      options_(std::move(options)),
      changed_(std::move(changed)),
      rng_(fresh_seed()),
      shared_{loop_, quarantine_, rng_, metrics},
      client_(loop_) {
  // Four looks within the limit; seldom enough to cost an idle daemon nothing.
  const base::Duration period = std::clamp<base::Duration>(
      options_.liveness.silence / 4, std::chrono::milliseconds(20), std::chrono::milliseconds(250));
  loop_.every(period, [this, alive = std::weak_ptr(alive_)] {
    if (alive.lock()) tick();
  });
}

Supervisor::~Supervisor() {
  replicas_.clear();
  empty_directory(options_.sockets);
  std::error_code ignored;
  std::filesystem::remove(options_.sockets, ignored);
  std::filesystem::remove(options_.leftovers, ignored);
}

Replica& Supervisor::start(const base::ReplicaId& id, domain::LoadPlan plan) {
  SLIPWAY_CHECK(!replicas_.contains(id) && replicas_.size() < domain::kMaxReplicas);
  ReplicaConfig config{.id = id,
                       .plan = std::move(plan),
                       .program = options_.program,
                       .socket = socket_of(id),
                       .max_queue = options_.max_queue,
                       .liveness = options_.liveness,
                       .restart = options_.restart};
  auto& replica = replicas_[id];
  replica = std::make_unique<Replica>(shared_, std::move(config),
                                      [this](Replica& r, Replica::Change change) { on_change(r, change); });
  replica->start();
  return *replica;
}

Replica* Supervisor::find(const base::ReplicaId& id) {
  const auto found = replicas_.find(id);
  return found == replicas_.end() ? nullptr : found->second.get();
}

io::Task<StopReport> Supervisor::stop(base::ReplicaId id, base::Deadline deadline) {
  Replica* const replica = find(id);
  if (replica == nullptr) co_return StopReport{};
  const StopReport report = co_await replica->stop(deadline);
  client_.forget({.path = replica->config().socket, .host = {}});
  replicas_.erase(id);
  record();
  co_return report;
}

void Supervisor::cut_all() {
  for (auto& [id, replica] : replicas_) replica->cut();
}

void Supervisor::tick() {
  const base::MonotonicTime now = loop_.now();
  for (auto& [id, replica] : replicas_) replica->tick(now);
  quarantine_.expire(now);
}

void Supervisor::on_change(Replica& replica, Replica::Change change) {
  if (change == Replica::Change::strikes) return tell_strikes();
  if (change == Replica::Change::state) record();
  changed_(replica);
}

// Workers that start are told on their command line; those that run, here.
void Supervisor::tell_strikes() {
  const std::string body = codec::encode_strikes(quarantine_.strikes(loop_.now()));
  for (auto& [id, replica] : replicas_)
    if (replica->state() == domain::ReplicaState::ready)
      loop_.spawn(send_strikes({.path = replica->config().socket, .host = {}}, body));
}

io::Task<> Supervisor::send_strikes(io::Endpoint endpoint, std::string body) {
  const std::weak_ptr<bool> alive = alive_;
  io::HttpRequest request{.method = "POST", .target = "/internal/strikes", .headers = {}, .body = body};
  request.headers.push_back({"content-type", "application/json"});
  auto answer = co_await client_.send(endpoint, request, base::Deadline::after(std::chrono::seconds(5)));
  if (alive.expired()) co_return;
  if (!answer || (*answer)->head().status >= 300)
    telemetry::log(telemetry::Level::warn, "strikes_not_told",
                   answer ? "the worker refused its list of strikes" : answer.error().message(),
                   {{"endpoint", io::to_string(endpoint)}});
}

std::filesystem::path Supervisor::socket_of(const base::ReplicaId& id) const {
  constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un
  std::filesystem::path path = options_.sockets / (id.str() + ".sock");
  if (path.native().size() > kMaxSocketPath)
    path = options_.sockets /
           (id.str().substr(id.str().size() - std::min<std::size_t>(id.str().size(), 5)) + ".s");
  return path;
}

void Supervisor::record() {
  std::vector<WorkerIdentity> workers;
  for (const auto& [id, replica] : replicas_)
    if (replica->pid() != 0) workers.emplace_back(replica->pid(), replica->start_ticks());
  const auto written = record_workers(options_.leftovers, workers);
  if (!written) telemetry::log(telemetry::Level::warn, "leftovers_not_recorded", written.error().message());
}

}  // namespace slipway::supervisor
