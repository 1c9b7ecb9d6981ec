#include "control/views.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/catalog.h"
#include "codec/values.h"
#include "codec/worker_protocol.h"
#include "io/proc.h"

namespace slipway::control {
namespace {

using domain::ReplicaState;
using nlohmann::json;

}  // namespace

std::string_view state_name(ReplicaState state) {
  switch (state) {
    case ReplicaState::pending:
      return "pending";
    case ReplicaState::starting:
      return "starting";
    case ReplicaState::ready:
      return "ready";
    case ReplicaState::draining:
      return "draining";
    case ReplicaState::stopped:
      return "stopped";
    case ReplicaState::backoff:
      return "backoff";
    case ReplicaState::crash_loop:
      return "crash_loop";
  }
  return "pending";
}

namespace {

// The API has five classes; a worker that exits by itself counts as a crash.
std::string_view cause_name(policy::Cause cause) {
  switch (cause) {
    case policy::Cause::out_of_memory:
      return "out_of_memory";
    case policy::Cause::no_progress:
      return "no_progress";
    case policy::Cause::load_failed:
      return "load_failed";
    case policy::Cause::killed:
      return "killed";
    case policy::Cause::asked:
    case policy::Cause::crash:
    case policy::Cause::exited:
      return "crash";
  }
  return "crash";
}

double rounded(double value) {
  return std::round(value * 100) / 100;
}

json optional(const std::optional<double>& value) {
  return value ? json(rounded(*value)) : json(nullptr);
}

json optional(const std::optional<base::WallTime>& time) {
  return time ? json(base::to_rfc3339(*time)) : json(nullptr);
}

std::string_view model_state(const Deployment& d, const std::vector<const supervisor::Replica*>& replicas) {
  if (d.failure) return "failed";
  if (d.phase == "planned") return "planned";
  const auto count = [&replicas](ReplicaState s) {
    return std::ranges::count_if(replicas, [s](const supervisor::Replica* r) { return r->state() == s; });
  };
  const auto ready = count(ReplicaState::ready);
  if (ready > 0) return ready >= d.resolved.spec.replicas ? "ready" : "degraded";
  return !replicas.empty() && count(ReplicaState::crash_loop) == std::ssize(replicas) ? "failed" : "starting";
}

std::vector<const supervisor::Replica*> replicas_of(const Deployment& d, supervisor::Supervisor& supervisor) {
  std::vector<const supervisor::Replica*> out;
  for (const DeployedReplica& r : d.replicas)
    if (const supervisor::Replica* const replica = supervisor.find(r.id)) out.push_back(replica);
  return out;
}

}  // namespace

json replica_json(const supervisor::Replica& r, base::MonotonicTime now) {
  const auto use = r.pid() != 0 ? io::process_use(r.pid()) : std::nullopt;
  json progress = nullptr;
  if (r.progress())
    progress = {{"phase", r.progress()->phase},
                {"done", r.progress()->done},
                {"total", r.progress()->total},
                {"unit", r.progress()->unit}};
  json lines = json::array();
  for (const std::string& line : r.last_lines()) lines.push_back(line);
  return {
      {"id", r.id().str()},
      {"state", state_name(r.state())},
      {"pid", r.pid()},
      {"uptime_s", r.pid() != 0 ? static_cast<std::int64_t>(base::seconds(now - r.process_started())) : 0},
      {"restarts", r.restarts()},
      {"progress", progress},
      {"running", r.pid() != 0 ? r.beat().running : 0},
      {"waiting", r.pid() != 0 ? r.beat().waiting : 0},
      {"kv_used", r.beat().kv_used},
      {"kv_total", r.facts().kv_tokens},
      {"device", r.facts().device.empty() ? json(nullptr) : json(r.facts().device)},
      {"resident_bytes", use ? use->resident_bytes : 0},
      {"last_exit", r.last_exit() ? json(r.last_exit()->words) : json(nullptr)},
      {"last_exit_class", r.last_exit() ? json(cause_name(r.last_exit()->cause)) : json(nullptr)},
      {"last_lines", lines}};
}

json model_json(const std::string& id, const Deployment& d, supervisor::Supervisor& supervisor,
                const std::string& gateway_url, base::MonotonicTime now) {
  const auto running = replicas_of(d, supervisor);
  json replicas = json::array();
  for (const supervisor::Replica* r : running) replicas.push_back(replica_json(*r, now));
  const domain::LoadPlan plan = d.replicas.empty() ? domain::LoadPlan{} : d.replicas.front().plan.load;
  json reasons = json::array();
  for (const std::string& note : d.resolved.notes) reasons.push_back(note);
  for (const std::string& reason : plan.reasons) reasons.push_back(reason);
  const auto& entry = d.resolved.entry;
  json out = {{"id", id},
              {"model", entry ? entry->model : d.resolved.spec.model},
              {"task", codec::to_string(d.replicas.empty() && entry ? entry->task : plan.task)},
              {"framework", codec::to_string(d.resolved.spec.framework)},
              {"source", d.asked.source},
              {"license", entry ? json(entry->license) : json(nullptr)},
              {"file", d.resolved.file.name},
              {"sha256", d.sha256.empty() ? d.resolved.file.sha256 : d.sha256},
              {"context_tokens", plan.context_tokens},
              {"parallel", plan.parallel},
              {"layout", codec::to_string(plan.layout)},
              {"reasons", reasons},
              {"replicas_wanted", d.resolved.spec.replicas},
              {"replicas", replicas},
              {"state", model_state(d, running)},
              {"url", gateway_url + "/v1"}};
  if (d.failure) out["error"] = error_json(*d.failure);
  if (!d.phase.empty()) out["phase"] = d.phase;
  return out;
}

json status_json(const DaemonFacts& f, const std::vector<json>& models, base::MonotonicTime now) {
  const io::Machine machine = io::machine();
  std::vector<std::string> troubles;
  for (const json& model : models)
    if (const std::string state = model["state"]; state != "ready")
      troubles.push_back(fmt::format("{} is {}", model["id"].get<std::string>(), state));
  const std::string count =
      models.size() == 1 ? "1 model is" : fmt::format("all {} models are", models.size());
  const std::string summary = models.empty() ? "no model is deployed; run: slipway deploy NAME"
                              : troubles.empty()
                                  ? fmt::format("{} ready at {}/v1", count, f.gateway_url)
                                  : fmt::format("{} of {} models need attention: {}", troubles.size(),
                                                models.size(), fmt::join(troubles, ", "));
  return {{"environment", f.environment},
          {"version", SLIPWAY_VERSION},
          {"pid", f.pid},
          {"started", base::to_rfc3339(f.started)},
          {"uptime_s", static_cast<std::int64_t>(base::seconds(now - f.started_at))},
          {"gateway", {{"url", f.gateway_url}, {"keys_required", f.keys_required}}},
          {"models", models},
          {"resources",
           {{"cpus", machine.processors},
            {"memory_bytes", machine.memory_bytes},
            {"memory_available_bytes", machine.memory_available_bytes}}},
          {"healthy", troubles.empty()},
          {"summary", summary}};
}

json key_json(const domain::Key& key) {
  return {{"id", key.id.str()},
          {"name", key.name},
          {"hint", key.hint},
          {"models", key.models},
          {"scopes", key.scopes},
          {"requests_per_minute", key.limits.requests_per_minute},
          {"tokens_per_minute", key.limits.tokens_per_minute},
          {"concurrent", key.limits.concurrent},
          {"created", base::to_rfc3339(key.created)},
          {"expires", optional(key.expires)},
          {"revoked", optional(key.revoked)}};
}

json top_model_json(const std::string& id, const Rates& rates, const Deployment& d,
                    supervisor::Supervisor& supervisor) {
  std::uint64_t running = 0, waiting = 0, kv_used = 0, kv_total = 0, resident = 0;
  for (const supervisor::Replica* r : replicas_of(d, supervisor)) {
    if (r->pid() == 0) continue;
    running += r->beat().running;
    waiting += r->beat().waiting;
    kv_used += r->beat().kv_used;
    kv_total += static_cast<std::uint64_t>(r->facts().kv_tokens);
    if (const auto use = io::process_use(r->pid())) resident += use->resident_bytes;
  }
  const std::optional<double> kv =
      kv_total > 0 ? std::optional(static_cast<double>(kv_used) / static_cast<double>(kv_total))
                   : std::nullopt;
  return {{"id", id},
          {"requests_per_s", rounded(rates.requests_per_s)},
          {"prompt_tokens_per_s", rounded(rates.prompt_tokens_per_s)},
          {"output_tokens_per_s", rounded(rates.output_tokens_per_s)},
          {"running", running},
          {"waiting", waiting},
          {"kv_ratio", optional(kv)},
          {"prefix_hit_ratio", optional(rates.prefix_hit_ratio)},
          {"ttft_ms_p50", optional(rates.ttft_ms_p50)},
          {"ttft_ms_p99", optional(rates.ttft_ms_p99)},
          {"cpu_percent", rounded(rates.cpu_percent)},
          {"resident_bytes", resident}};
}

json receipt_json(const Receipt& receipt) {
  json stopped = json::array(), removed = json::array(), kept = json::array();
  for (const Receipt::Stopped& s : receipt.stopped)
    stopped.push_back({{"what", s.what}, {"id", s.id}, {"pid", s.pid}, {"drained", s.drained}});
  for (const auto& path : receipt.removed) removed.push_back(path.string());
  for (const auto& path : receipt.kept) kept.push_back(path.string());
  return {{"stopped", stopped},
          {"removed", removed},
          {"kept", kept},
          {"requests_cut", receipt.requests_cut},
          {"seconds", rounded(receipt.seconds)}};
}

}  // namespace slipway::control
