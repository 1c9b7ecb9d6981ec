#include "kube/model_pods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace slipway::kube {
namespace {

using codec::field, codec::list, codec::number, codec::text;

// Of a container that waits: these do not pass by waiting.
constexpr auto kStuck = std::to_array<std::string_view>(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull",
     "CreateContainerConfigError", "CreateContainerError", "RunContainerError"});

std::string condition(const Json& status, std::string_view type, const char* key) {
  for (const Json& c : list(status, "conditions"))
    if (text(c, "type") == type) return text(c, key);
  return {};
}

// The first container that has something to say, init containers before the others.
struct Container {
  std::string waiting, message;  // why it waits
  std::string last_exit;
  double restarts = 0;
};
Container container_of(const Json& status) {
  Container out;
  for (const char* kind : {"initContainerStatuses", "containerStatuses"})
    for (const Json& c : list(status, kind)) {
      out.restarts += number(c, "restartCount");
      const Json& waiting = field(field(c, "state"), "waiting");
      if (out.waiting.empty()) {
        out.waiting = text(waiting, "reason");
        out.message = text(waiting, "message");
      }
      const Json& last = field(field(c, "lastState"), "terminated");
      if (out.last_exit.empty() && last.is_object())
        out.last_exit = fmt::format("exit {:.0f} ({})", number(last, "exitCode"), text(last, "reason"));
    }
  return out;
}

std::string state_of(const Json& pod, const Container& container) {
  const Json& status = field(pod, "status");
  if (field(pod, "metadata").contains("deletionTimestamp")) return "draining";
  if (condition(status, "Ready", "status") == "True") return "ready";
  if (text(status, "phase") == "Failed") return "failed";
  if (container.waiting == "CrashLoopBackOff") return "crash_loop";
  if (std::ranges::find(kStuck, container.waiting) != kStuck.end()) return "failed";
  if (text(field(pod, "spec"), "nodeName").empty()) return "pending";
  return "starting";
}

std::string phase_of(const Json& pod, const Container& container) {
  const Json& status = field(pod, "status");
  if (condition(status, "Ready", "status") == "True") return {};
  if (condition(status, "PodScheduled", "status") == "False")
    return condition(status, "PodScheduled", "message");
  if (!container.waiting.empty())
    return container.message.empty() ? container.waiting
                                     : fmt::format("{}: {}", container.waiting, container.message);
  return text(status, "phase") == "Running" ? "runs, not ready yet" : text(status, "phase");
}

// The worst of its replicas, unless all are ready.
std::string state_of_model(const Json& replicas) {
  for (const char* state : {"crash_loop", "failed", "pending", "starting", "draining"})
    for (const Json& replica : replicas)
      if (text(replica, "state") == state) return state;
  return replicas.empty() ? "pending" : "ready";
}

}  // namespace

Json replica_of(const Json& pod) {
  const Container container = container_of(field(pod, "status"));
  return {{"id", text(field(pod, "metadata"), "name")},
          {"state", state_of(pod, container)},
          {"node", text(field(pod, "spec"), "nodeName")},
          {"restarts", container.restarts},
          {"last_exit", container.last_exit},
          {"progress", {{"phase", phase_of(pod, container)}}}};
}

Json models_of(const Json& pods) {
  std::map<std::string, Json> models;
  for (const Json& pod : pods) {
    const Json& meta = field(pod, "metadata");
    const std::string id = text(field(meta, "labels"), kModelLabel);
    if (id.empty()) continue;
    Json& model = models[id];
    if (model.is_null())
      model = {{"id", id},
               {"model", text(field(meta, "annotations"), kModelIdAnnotation)},
               {"framework", text(field(meta, "labels"), kFrameworkLabel)},
               {"state", ""},
               {"replicas", Json::array()}};
    model["replicas"].push_back(replica_of(pod));
  }
  Json out = Json::array();
  for (auto& [id, model] : models) {
    model["state"] = state_of_model(model["replicas"]);
    out.push_back(std::move(model));
  }
  return out;
}

MetricsPlace metrics_of(const Json& pod) {
  MetricsPlace out;
  for (const Json& container : list(field(pod, "spec"), "containers"))
    for (const Json& port : list(container, "ports"))
      if (text(port, "name") == "metrics")
        out.port = static_cast<std::uint16_t>(number(port, "containerPort"));
  if (text(field(field(pod, "metadata"), "labels"), kFrameworkLabel).starts_with("nim-"))
    out.path = "/v1/metrics";
  return out;
}

}  // namespace slipway::kube
