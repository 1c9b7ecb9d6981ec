#include "control/model_facts.h"

#include <fmt/format.h>

#include <utility>

namespace slipway::control {
namespace {

using codec::field, codec::Json, codec::list, codec::number, codec::text;
using domain::ContainerFact, domain::PodFact;

// The daemon's class of an end in the words that a container runtime has for it.
std::string reason_of(const std::string& cls) {
  if (cls == "out_of_memory") return "OOMKilled";
  if (cls == "load_failed") return "LoadFailed";
  if (cls == "no_progress") return "NoProgress";
  return cls == "killed" ? "Killed" : "Error";
}

void add_progress(const Json& replica, PodFact& pod) {
  const Json& progress = field(replica, "progress");
  if (!progress.is_object()) return;
  std::string words = text(progress, "phase");
  if (const double total = number(progress, "total"); total > 0)
    words += fmt::format(" {:.0f} of {:.0f} {}", number(progress, "done"), total, text(progress, "unit"));
  pod.events.push_back({.reason = "Progress", .message = std::move(words)});
}

PodFact pod_of(const Json& replica) {
  const std::string state = text(replica, "state"), end = text(replica, "last_exit");
  PodFact pod{.name = text(replica, "id"), .phase = state, .ready = state == "ready"};
  pod.leaving = state == "draining" || state == "stopped";
  pod.age_s = number(replica, "uptime_s");
  ContainerFact worker{.name = "worker", .running = state == "starting" || state == "ready"};
  worker.started = worker.ready = pod.ready;
  worker.running_s = pod.age_s;
  worker.restarts = static_cast<int>(number(replica, "restarts"));
  if (state == "crash_loop" || state == "backoff") worker.waiting_reason = "CrashLoopBackOff";
  if (!end.empty()) {
    worker.ended = true;
    worker.exit_code = -1;  // the daemon says it in words
    worker.exit_reason = reason_of(text(replica, "last_exit_class"));
    worker.exit_message = end;
  }
  for (const Json& line : list(replica, "last_lines"))
    if (line.is_string()) worker.log.push_back(line.get<std::string>());
  // The daemon ends a worker that makes no progress, so one that starts makes some.
  if (state == "starting") worker.log_age_s = 0;
  if (state == "pending") worker.waiting_reason = "ContainerCreating";
  add_progress(replica, pod);
  pod.containers.push_back(std::move(worker));
  return pod;
}

}  // namespace

domain::ModelFacts model_facts(const Json& model) {
  domain::ModelFacts out{.id = text(model, "id"),
                         .wanted = static_cast<int>(number(model, "replicas_wanted", -1))};
  for (const Json& replica : list(model, "replicas")) out.pods.push_back(pod_of(replica));
  if (const Json& error = field(model, "error"); error.is_object())
    out.owners.push_back({.kind = "deploy",
                          .name = out.id,
                          .conditions = {{.type = "Failed",
                                          .status = "True",
                                          .reason = text(error, "symbol"),
                                          .message = text(error, "message")}}});
  return out;
}

}  // namespace slipway::control
