#include "control/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "control/record.h"
#include "control/snapshot.h"
#include "io/proc.h"
#include "telemetry/log.h"

namespace slipway::control {

using base::Error, base::ErrorCode;
using telemetry::Level;

LocalTarget::LocalTarget(TargetParts parts, Describe describe)
    : parts_(std::move(parts)), describe_(std::move(describe)) {
  if (parts_.read_gpus) gpus_ = parts_.read_gpus();
}

LocalTarget::~LocalTarget() {
  for (auto& [id, work] : works_) work.cancelled->store(true);
}

namespace {

OperationPtr failed(std::string subject, Error error) {
  auto operation = std::make_shared<Operation>(std::move(subject));
  operation->fail(std::move(error));
  return operation;
}

std::string_view outcome_of(const Operation& operation) {
  return operation.error() ? base::info(operation.error()->code()).symbol : store::kDone;
}

}  // namespace

OperationPtr LocalTarget::deploy(const Asked& asked, const std::optional<store::Actor>& by) {
  const Ground here = ground();
  auto resolved = resolve(asked, parts_.catalog, here.hardware, here.gpus);
  auto [answer, outcome] = answer_at_once(asked, resolved);
  if (by) {
    const std::string id = resolved             ? resolved->spec.service_name
                           : asked.name.empty() ? asked.source
                                                : asked.name;
    const auto recorded = parts_.environment.audit().append(deploy_entry(*by, id, asked, outcome));
    if (!recorded) return failed("deploy", recorded.error());
  }
  return answer ? answer : begin(asked, *std::move(resolved), by);
}

std::pair<OperationPtr, std::string_view> LocalTarget::answer_at_once(
    const Asked& asked, const base::Result<Resolved>& resolved) {
  const auto refused = [](Error error) {
    OperationPtr operation = failed("deploy", std::move(error));
    return std::pair(operation, outcome_of(*operation));
  };
  if (stopping_) return refused(Error(ErrorCode::draining, "Slipway is stopping"));
  if (!resolved) return refused(resolved.error());
  const std::string id = resolved->spec.service_name;
  if (const auto work = works_.find(id); work != works_.end()) {
    if (work->second.asked == asked) return {work->second.operation, store::kJoined};
    return refused(Error(ErrorCode::name_conflict, fmt::format("another operation on {} is under way", id))
                       .with_next(fmt::format("Wait for it, or run: slipway undeploy {}", id)));
  }
  if (const auto there = current_.find(id);
      there != current_.end() && there->second.asked == asked && is_healthy(there->second)) {
    auto operation = std::make_shared<Operation>("deploy " + id);
    operation->note(fmt::format("{} is already deployed with these values; nothing to do", id));
    operation->finish(describe_(id, there->second));
    return {operation, store::kUnchanged};
  }
  return {nullptr, store::kBegun};
}

// Whether the same deploy again has nothing to mend.
bool LocalTarget::is_healthy(const Deployment& deployment) const {
  return !deployment.failure && std::ranges::none_of(deployment.replicas, [this](const DeployedReplica& r) {
    const supervisor::Replica* const replica = parts_.supervisor.find(r.id);
    return replica == nullptr || replica->state() == domain::ReplicaState::crash_loop;
  });
}

OperationPtr LocalTarget::begin(const Asked& asked, Resolved resolved,
                                const std::optional<store::Actor>& by) {
  const std::string id = resolved.spec.service_name;
  Work work{.operation = std::make_shared<Operation>("deploy " + id), .asked = asked, .by = by};
  for (const std::string& note : resolved.notes) work.operation->note(note);
  Deployment& next = incoming_[id];
  next = {.asked = asked, .resolved = std::move(resolved), .created = base::wall_now(), .phase = "starting"};
  if (const auto there = current_.find(id); there != current_.end()) next.created = there->second.created;
  works_.emplace(id, work);
  publish();
  parts_.loop.spawn(run_deploy(id, work));
  return work.operation;
}

OperationPtr LocalTarget::rehearse(const Asked& asked) {
  auto operation = std::make_shared<Operation>("rehearsal");
  const Ground here = ground();
  auto resolved = resolve(asked, parts_.catalog, here.hardware, here.gpus);
  if (resolved)
    if (auto fits = check_before_download(*resolved, here); !fits) resolved = std::move(fits).error();
  if (!resolved) {
    operation->fail(std::move(resolved).error());
    return operation;
  }
  for (const std::string& note : resolved->notes) operation->note(note);
  Deployment planned{
      .asked = asked, .resolved = std::move(*resolved), .created = base::wall_now(), .phase = "planned"};
  const auto file = parts_.models.find(planned.resolved.file);
  operation->note(file ? "the file is here already"
                       : fmt::format("{} would be fetched ({})", planned.resolved.file.name,
                                     base::human_bytes(planned.resolved.file.bytes)));
  operation->finish(describe_(planned.resolved.spec.service_name, planned));
  return operation;
}

OperationPtr LocalTarget::undeploy(const std::string& model_id, base::Duration drain,
                                   const store::Actor& by) {
  auto operation = std::make_shared<Operation>("undeploy " + model_id);
  if (find(model_id) == nullptr) {
    operation->fail(Error(ErrorCode::unknown_model, fmt::format("no model '{}' is deployed", model_id)));
    record(undeploy_entry(by, model_id, outcome_of(*operation)));
  } else {
    parts_.loop.spawn(run_undeploy(model_id, drain, operation, by));
  }
  return operation;
}

void LocalTarget::record(const store::AuditEntry& entry) {
  const auto recorded = parts_.environment.audit().append(entry);
  if (!recorded)
    telemetry::log(Level::error, "audit_not_written", recorded.error().to_string(),
                   {{"action", entry.action}, {"subject", entry.subject}});
}

io::Task<> LocalTarget::run_undeploy(std::string model_id, base::Duration drain, OperationPtr operation,
                                     store::Actor by) {
  if (const auto work = works_.find(model_id); work != works_.end()) {
    const OperationPtr running = work->second.operation;
    work->second.cancelled->store(true);
    changed_.notify();
    co_await Operation::wait_until_over(running);
  }
  Work work{.operation = operation, .asked = {}};
  if (!works_.emplace(model_id, work).second || !current_.contains(model_id)) {
    const bool taken = works_.contains(model_id) && works_.at(model_id).operation != operation;
    if (!taken) works_.erase(model_id);
    if (taken) {
      operation->fail(
          Error(ErrorCode::name_conflict, fmt::format("another operation on {} is under way", model_id)));
    } else {  // the deploy that was cut short has taken itself back
      operation->finish({{"undeployed", model_id}, {"replicas", 0}, {"requests_cut", 0}});
    }
    record(undeploy_entry(by, model_id, outcome_of(*operation)));
    co_return;
  }
  const auto removed =
      parts_.environment.remove_deployment(model_id, undeploy_entry(by, model_id, store::kDone));
  if (!removed) {
    works_.erase(model_id);
    operation->fail(removed.error());
    co_return;
  }
  // First nobody is sent there any more, then the replicas drain.
  Deployment gone = std::move(current_.at(model_id));
  current_.erase(model_id);
  publish();
  operation->progress({.phase = "drain",
                       .subject = model_id,
                       .total = gone.replicas.size(),
                       .unit = "",
                       .message = "finishing running requests"},
                      parts_.loop.now());
  const auto stopped = co_await stop_replicas(std::move(gone.replicas), base::Deadline::after(drain));
  std::uint64_t cut = 0;
  for (const StoppedReplica& s : stopped) cut += s.report.requests_cut;
  works_.erase(model_id);
  telemetry::log(Level::info, "undeployed",
                 fmt::format("{} replicas stopped, {} requests cut", stopped.size(), cut),
                 {{"model", model_id}});
  operation->finish({{"undeployed", model_id}, {"replicas", stopped.size()}, {"requests_cut", cut}});
}

io::Task<std::vector<StoppedReplica>> LocalTarget::stop_replicas(std::vector<DeployedReplica> replicas,
                                                                 base::Deadline deadline) {
  struct Gathered {
    std::vector<StoppedReplica> reports;
    std::size_t left = 0;
    io::Event done;
  };
  const auto gathered = std::make_shared<Gathered>();
  gathered->left = replicas.size();
  for (const DeployedReplica& replica : replicas)
    parts_.loop.spawn([](LocalTarget* self, DeployedReplica r, base::Deadline until,
                         std::shared_ptr<Gathered> g) -> io::Task<> {
      const supervisor::StopReport report = co_await self->parts_.supervisor.stop(r.id, until);
      self->slots_.give_back(r.slot);
      g->reports.push_back({r.id, report});
      --g->left;
      g->done.notify();
    }(this, replica, deadline, gathered));
  while (gathered->left > 0) co_await gathered->done.wait();
  co_return gathered->reports;
}

io::Task<std::vector<StoppedReplica>> LocalTarget::stop_all(base::Deadline deadline) {
  stopping_ = true;
  std::vector<OperationPtr> running = operations();
  for (auto& [id, work] : works_) work.cancelled->store(true);
  changed_.notify();
  for (const OperationPtr& operation : running) co_await Operation::wait_until_over(operation);
  std::vector<DeployedReplica> all;
  for (auto& [id, deployment] : current_) {
    all.insert(all.end(), deployment.replicas.begin(), deployment.replicas.end());
    deployment.replicas.clear();
  }
  publish();
  co_return co_await stop_replicas(std::move(all), deadline);
}

void LocalTarget::on_replica(const supervisor::Replica& replica) {
  relay_progress(replica);
  changed_.notify();
  publish();
}

std::vector<std::pair<std::string, const Deployment*>> LocalTarget::deployments() const {
  std::map<std::string, const Deployment*> all;
  for (const auto& [id, deployment] : current_) all[id] = &deployment;
  for (const auto& [id, deployment] : incoming_) all.try_emplace(id, &deployment);
  return {all.begin(), all.end()};
}

const Deployment* LocalTarget::find(const std::string& model_id) const {
  if (const auto found = current_.find(model_id); found != current_.end()) return &found->second;
  if (const auto found = incoming_.find(model_id); found != incoming_.end()) return &found->second;
  return nullptr;
}

std::vector<OperationPtr> LocalTarget::operations() const {
  std::vector<OperationPtr> all;
  for (const auto& [id, work] : works_) all.push_back(work.operation);
  return all;
}

Ground LocalTarget::ground() const {
  Ground g;
  const io::Machine machine = io::machine();
  std::uint64_t promised = 0;  // what replicas that still load have not taken yet
  g.gpus = gpus_;
  for (const auto* map : {&current_, &incoming_})
    for (const auto& [id, deployment] : *map)
      for (const DeployedReplica& deployed : deployment.replicas) {
        for (domain::Gpu& gpu : g.gpus)
          if (gpu.name == deployed.plan.load.device)
            gpu.free_bytes -= std::min(gpu.free_bytes, deployed.plan.gpu_bytes);
        if (!deployed.plan.placement.processors.empty()) g.running.push_back(deployed.plan.placement);
        const supervisor::Replica* const r = parts_.supervisor.find(deployed.id);
        if (r == nullptr || r->state() == domain::ReplicaState::ready) continue;
        const auto use = r->pid() != 0 ? io::process_use(r->pid()) : std::nullopt;
        promised +=
            deployed.plan.need_bytes - std::min(deployed.plan.need_bytes, use ? use->resident_bytes : 0);
      }
  g.free_bytes = machine.memory_available_bytes - std::min(machine.memory_available_bytes, promised);
  g.hardware = {io::processor_features(), g.free_bytes};
  for (const io::ProcessorPlace& p : io::processor_places()) g.processors.push_back({p.id, p.core, p.node});
  return g;
}

void LocalTarget::publish() {
  auto next = std::make_shared<domain::Snapshot>();
  next->version = ++version_;
  for (const auto& [id, deployment] : deployments())
    next->models.push_back(snapshot_model(id, *deployment, parts_.supervisor, parts_.loop.now()));
  parts_.snapshot.publish(std::move(next));
}

}  // namespace slipway::control
