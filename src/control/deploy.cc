// The deploy pipeline of the local target, a coroutine on the daemon's loop: fetch, check, plan, start, wait.
#include <fmt/format.h>

#include <algorithm>

#include "control/fetch.h"
#include "control/record.h"
#include "control/target.h"
#include "io/offload.h"
#include "telemetry/log.h"

namespace slipway::control {

using base::Error, base::ErrorCode, base::Result;
using domain::ReplicaState;
using telemetry::Level;

namespace {

std::string fetch_words(const store::FetchProgress& p) {
  const std::string_view doing = p.phase == "verify" ? "checking the file"
                                 : p.phase == "wait" ? "waiting for another download"
                                                     : "downloading";
  std::string words(doing);
  if (p.total > 0)
    words += fmt::format(", {:.0f} %", 100.0 * static_cast<double>(p.done) / static_cast<double>(p.total));
  if (p.bytes_per_second > 0)
    words += fmt::format(", {}/s", base::human_bytes(static_cast<std::uint64_t>(p.bytes_per_second)));
  if (p.left) words += fmt::format(", about {} left", base::human_duration(*p.left));
  return words;
}

}  // namespace

void LocalTarget::restore(const std::vector<Asked>& wanted) {
  for (const Asked& asked : wanted) deploy(asked, std::nullopt);
  auto stored = parts_.environment.deployments();
  if (!stored) {
    telemetry::log(Level::error, "state_not_read", stored.error().to_string());
    return;
  }
  const Ground here = ground();
  for (store::Deployment& d : *stored) {
    if (works_.contains(d.model_id)) continue;  // the blueprint's values win
    const bool by_name = d.values.empty();
    Asked asked{.values = d.values,
                .source = by_name ? "catalogue" : d.source,
                .name = by_name ? d.source : "",
                .replicas = d.replicas};
    auto resolved = resolve(asked, parts_.catalog, here.hardware, here.gpus);
    if (resolved) {
      begin(asked, std::move(*resolved), std::nullopt);
      incoming_.at(d.model_id).created = d.created;
      continue;
    }
    telemetry::log(Level::error, "deployment_not_restored", resolved.error().to_string(),
                   {{"model", d.model_id}});
    current_[d.model_id] = {.asked = asked, .created = d.created, .failure = resolved.error()};
  }
  publish();
}

io::Task<> LocalTarget::run_deploy(std::string model_id, Work work) {
  auto done = co_await bring_up(model_id, work);
  Deployment next = std::move(incoming_.at(model_id));
  incoming_.erase(model_id);
  next.phase.clear();
  const auto until = base::Deadline::after(std::chrono::seconds(30));
  if (!done) {
    telemetry::log(Level::error, "deploy_failed", done.error().to_string(), {{"model", model_id}});
    if (work.by) record(deploy_entry(*work.by, model_id, work.asked, base::info(done.error().code()).symbol));
    std::vector<DeployedReplica> started = std::move(next.replicas);
    next.replicas.clear();
    next.failure = done.error();
    if (!work.by && !current_.contains(model_id) && !stopping_) current_[model_id] = std::move(next);
    publish();
    co_await stop_replicas(std::move(started), until);
    works_.erase(model_id);
    work.operation->fail(std::move(done).error());
    co_return;
  }
  store_deployment(model_id, next, work);
  std::vector<DeployedReplica> old;
  if (const auto there = current_.find(model_id); there != current_.end())
    old = std::move(there->second.replicas);
  const Deployment& now_current = current_[model_id] = std::move(next);
  publish();
  if (!old.empty()) {
    work.operation->note(fmt::format("{} new replicas are ready; draining {} old ones",
                                     now_current.replicas.size(), old.size()));
    co_await stop_replicas(std::move(old), until);
  }
  works_.erase(model_id);
  telemetry::log(Level::info, "deployed", "every replica is ready", {{"model", model_id}});
  work.operation->finish(describe_(model_id, current_.at(model_id)));
}

bool LocalTarget::uses_gpus() const {
  for (const auto* map : {&current_, &incoming_})
    for (const auto& [id, deployment] : *map)
      for (const DeployedReplica& r : deployment.replicas)
        if (r.plan.gpu_bytes > 0) return true;
  return false;
}

// What other programs hold is seen while we hold nothing; what we hold is known from the plans.
io::Task<> LocalTarget::look_at_gpus() {
  if (gpus_.empty() || uses_gpus()) co_return;
  io::Loop thread("gpus");
  thread.start();
  auto found = co_await io::run_on(thread, parts_.read_gpus);
  if (!found.empty() && !uses_gpus()) gpus_ = std::move(found);
}

io::Task<Result<void>> LocalTarget::bring_up(const std::string& model_id, const Work& work) {
  co_await look_at_gpus();
  SLIPWAY_CO_RETURN_IF_ERROR(check_before_download(incoming_.at(model_id).resolved, ground()));
  codec::GgufInfo info;
  auto fetched = co_await fetch(model_id, work, info);
  if (!fetched) co_return std::move(fetched).error();
  SLIPWAY_CO_RETURN_IF_ERROR(start_replicas(model_id, work, info));
  co_return co_await wait_until_ready(model_id, work);
}

io::Task<Result<void>> LocalTarget::fetch(const std::string& model_id, const Work& work,
                                          codec::GgufInfo& info) {
  const domain::ModelFile wanted = incoming_.at(model_id).resolved.file;
  // The callback runs on the jobs thread; what it says is posted, and dropped when the deploy is gone.
  const auto on_progress = [this, model_id,
                            weak = std::weak_ptr(work.operation)](const store::FetchProgress& p) {
    Progress progress{.phase = p.phase == "verify" ? "verify" : "download",
                      .subject = model_id,
                      .done = p.done,
                      .total = p.total,
                      .unit = "bytes",
                      .message = fetch_words(p)};
    parts_.loop.post([this, model_id, weak, progress = std::move(progress)] {
      const OperationPtr operation = weak.lock();
      const auto deployment = incoming_.find(model_id);
      if (operation == nullptr || operation->over() || deployment == incoming_.end()) return;
      operation->progress(progress, parts_.loop.now());
      deployment->second.phase = progress.message;
      publish();
    });
  };
  io::Loop thread("fetch");
  thread.start();
  auto checked =
      co_await io::run_on(thread, [models = &parts_.models, wanted, on_progress, cancelled = work.cancelled] {
        return fetch_checked(*models, wanted, on_progress, cancelled.get());
      });
  if (!checked) co_return std::move(checked).error();
  if (*work.cancelled)
    co_return Error(ErrorCode::interrupted, fmt::format("the deploy of {} was ended", model_id));
  if (!checked->file.note.empty()) work.operation->note(checked->file.note);
  if (checked->file.was_here) work.operation->note(fmt::format("{} is here already", wanted.name));
  Deployment& next = incoming_.at(model_id);
  next.path = checked->file.path;
  next.sha256 = checked->file.sha256;
  info = std::move(checked->info);
  co_return Result<void>{};
}

Result<void> LocalTarget::start_replicas(const std::string& model_id, const Work& work,
                                         const codec::GgufInfo& info) {
  Deployment& next = incoming_.at(model_id);
  SLIPWAY_TRY(auto plans, plan_replicas(next.resolved, next.path, next.sha256, info, ground()));
  if (plans.size() > slots_.free())
    return Error(ErrorCode::bad_value,
                 fmt::format("{} replicas: {} more are possible", plans.size(), slots_.free()));
  for (const std::string& reason : plans.front().load.reasons) work.operation->note(reason);
  next.phase = "starting";
  for (ReplicaPlan& plan : plans) {
    DeployedReplica replica{
        .id = base::make_replica_id(model_id), .slot = *slots_.take(), .plan = std::move(plan)};
    next.replicas.push_back(replica);
    parts_.supervisor.start(replica.id, replica.plan.load);
    work.operation->progress(
        {.phase = "start", .subject = replica.id.str(), .unit = "", .message = "starting slipway-worker"},
        parts_.loop.now());
  }
  publish();
  return {};
}

io::Task<Result<void>> LocalTarget::wait_until_ready(const std::string& model_id, const Work& work) {
  for (;;) {
    if (*work.cancelled)
      co_return Error(ErrorCode::interrupted, fmt::format("the deploy of {} was ended", model_id));
    bool all_ready = true;
    for (const DeployedReplica& deployed : incoming_.at(model_id).replicas) {
      const supervisor::Replica* const r = parts_.supervisor.find(deployed.id);
      if (r->state() == ReplicaState::crash_loop) co_return *r->last_failure();
      all_ready = all_ready && r->state() == ReplicaState::ready;
    }
    if (all_ready) co_return Result<void>{};
    co_await changed_.wait();
  }
}

void LocalTarget::store_deployment(const std::string& model_id, const Deployment& d, const Work& work) {
  std::optional<store::AuditEntry> why;
  if (work.by) why = deploy_entry(*work.by, model_id, work.asked, store::kDone);
  const auto written =
      parts_.environment.put_deployment({.model_id = model_id,
                                         .values = d.asked.values,
                                         .source = d.asked.values.empty() ? d.asked.name : d.asked.source,
                                         .replicas = d.asked.replicas,
                                         .created = d.created},
                                        why);
  if (!written)
    telemetry::log(Level::error, "state_not_written", written.error().to_string(), {{"model", model_id}});
}

void LocalTarget::relay_progress(const supervisor::Replica& replica) {
  const auto work = works_.find(replica.config().plan.model_id);
  if (work == works_.end() || !replica.progress()) return;
  const domain::WorkerProgress& p = *replica.progress();
  work->second.operation->progress({.phase = p.phase,
                                    .subject = replica.id().str(),
                                    .done = p.done,
                                    .total = p.total,
                                    .unit = p.unit,
                                    .message = {}},
                                   parts_.loop.now());
}

}  // namespace slipway::control
