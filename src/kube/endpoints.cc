#include "kube/endpoints.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "base/rfc3339.h"
#include "kube/model_pods.h"

namespace slipway::kube {
namespace {

using codec::field, codec::list, codec::text;
using domain::ReplicaState;

constexpr const char* kPortLabel = "slipway.dev/port";

std::uint16_t port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  return failed == std::errc() && end == text.data() + text.size() ? port : 0;
}

// The labels of the model's own, of a pod or of a slice; an empty model_id where there are none.
ReplicaSighting labelled(const Json& object) {
  const Json& labels = field(field(object, "metadata"), "labels");
  ReplicaSighting out;
  out.model_id = text(labels, kModelLabel);
  out.framework = text(labels, kFrameworkLabel);
  out.alias = text(field(field(object, "metadata"), "annotations"), kModelIdAnnotation);
  out.endpoint.port = port_of(text(labels, kPortLabel));
  return out;
}

ReplicaState state_named(std::string_view name) {
  if (name == "ready") return ReplicaState::ready;
  if (name == "draining") return ReplicaState::draining;
  if (name == "starting") return ReplicaState::starting;
  if (name == "crash_loop" || name == "failed") return ReplicaState::crash_loop;
  return ReplicaState::pending;
}

// A condition that is not given counts as `otherwise`.
bool condition(const Json& endpoint, const char* name, bool otherwise) {
  const Json& value = field(field(endpoint, "conditions"), name);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

std::uint16_t first_port(const Json& slice) {
  std::uint16_t first = 0;
  for (const Json& port : list(slice, "ports")) {
    const auto number = static_cast<std::uint16_t>(codec::number(port, "port"));
    if (text(port, "name") == "http") return number;
    if (first == 0) first = number;
  }
  return first;
}

}  // namespace

std::vector<ReplicaSighting> pods_sighted(const WatchedSet::Objects& pods) {
  std::vector<ReplicaSighting> out;
  for (const auto& [name, pod] : pods) {
    ReplicaSighting sighting = labelled(pod);
    if (sighting.model_id.empty()) continue;
    const Json replica = replica_of(pod);
    sighting.id = text(replica, "id");
    sighting.state = state_named(text(replica, "state"));
    sighting.waits_for = text(field(replica, "progress"), "phase");
    sighting.endpoint.host = text(field(pod, "status"), "podIP");
    sighting.created = base::from_rfc3339(text(field(pod, "metadata"), "creationTimestamp")).value_or(0);
    out.push_back(std::move(sighting));
  }
  return out;
}

std::vector<ReplicaSighting> slices_sighted(const WatchedSet::Objects& slices) {
  std::vector<ReplicaSighting> out;
  for (const auto& [name, slice] : slices) {
    ReplicaSighting common = labelled(slice);
    if (common.model_id.empty()) continue;
    if (common.endpoint.port == 0) common.endpoint.port = first_port(slice);
    for (const Json& endpoint : list(slice, "endpoints")) {
      const Json& addresses = list(endpoint, "addresses");
      if (addresses.empty() || !addresses.front().is_string()) continue;
      ReplicaSighting sighting = common;
      sighting.endpoint.host = addresses.front().get<std::string>();
      sighting.id = text(field(endpoint, "targetRef"), "name");
      if (sighting.id.empty()) sighting.id = fmt::format("{}-{}", sighting.model_id, sighting.endpoint.host);
      if (condition(endpoint, "terminating", false))
        sighting.state = ReplicaState::draining;
      else
        sighting.state = condition(endpoint, "ready", true) ? ReplicaState::ready : ReplicaState::starting;
      out.push_back(std::move(sighting));
    }
  }
  return out;
}

std::vector<ReplicaSighting> merge(const std::vector<ReplicaSighting>& pods,
                                   const std::vector<ReplicaSighting>& slices) {
  std::map<std::string, ReplicaSighting> all;
  for (const ReplicaSighting& pod : pods) {
    ReplicaSighting& known = all[pod.id] = pod;
    // Until a slice says so nobody may be sent there: a Ray node that is ready may run no proxy.
    if (known.state == ReplicaState::ready) known.state = ReplicaState::starting;
  }
  for (const ReplicaSighting& slice : slices) {
    const auto [it, is_new] = all.try_emplace(slice.id, slice);
    if (is_new) continue;
    ReplicaSighting& known = it->second;
    known.endpoint = slice.endpoint;
    // Several slices may name one pod: the best of them counts, but a pod that is going is going.
    if (known.state == ReplicaState::draining || known.state == ReplicaState::ready) continue;
    if (slice.state == ReplicaState::ready || slice.state == ReplicaState::draining)
      known.state = slice.state;
  }
  std::vector<ReplicaSighting> out;
  out.reserve(all.size());
  for (auto& [id, sighting] : all) out.push_back(std::move(sighting));
  return out;
}

}  // namespace slipway::kube
