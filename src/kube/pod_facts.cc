#include "kube/pod_facts.h"

#include <algorithm>
#include <chrono>

#include "base/rfc3339.h"
#include "codec/quantity.h"

namespace slipway::kube {
namespace {

using codec::field, codec::list, codec::number, codec::text, codec::truth;
using domain::ConditionFact, domain::ContainerFact, domain::EventFact, domain::PodFact;

// Defaults of the API for probes.
constexpr double kPeriod_s = 10;
constexpr double kFailures = 3;

std::map<std::string, std::string> texts(const Json& object) {
  std::map<std::string, std::string> out;
  if (object.is_object())
    for (const auto& [key, value] : object.items())
      if (value.is_string()) out[key] = value.get<std::string>();
  return out;
}

std::vector<ConditionFact> conditions_of(const Json& status) {
  std::vector<ConditionFact> out;
  for (const Json& c : list(status, "conditions"))
    out.push_back({.type = text(c, "type"),
                   .status = text(c, "status"),
                   .reason = text(c, "reason"),
                   .message = text(c, "message")});
  return out;
}

bool holds(const std::vector<ConditionFact>& conditions, std::string_view type) {
  return std::ranges::any_of(conditions,
                             [&](const ConditionFact& c) { return c.type == type && c.status == "True"; });
}

// {"cpu": processors, "memory": bytes, ...}.
std::map<std::string, double> amounts(const Json& object) {
  std::map<std::string, double> out;
  if (!object.is_object()) return out;
  for (const auto& [name, value] : object.items()) {
    const std::string quantity = text(object, name);
    if (const auto milli = codec::quantity_milli(quantity); name == "cpu" && milli)
      out[name] = static_cast<double>(*milli) / 1000;
    else if (const auto whole = codec::quantity(quantity))
      out[name] = static_cast<double>(*whole);
  }
  return out;
}

// Init containers run one after the other, before the others, which run together.
std::map<std::string, double> requests_of(const Json& spec) {
  std::map<std::string, double> out;
  for (const Json& c : list(spec, "containers"))
    for (const auto& [name, value] : amounts(field(field(c, "resources"), "requests"))) out[name] += value;
  for (const Json& c : list(spec, "initContainers"))
    for (const auto& [name, value] : amounts(field(field(c, "resources"), "requests")))
      out[name] = std::max(out[name], value);
  return out;
}

void take_end(ContainerFact& out, const Json& terminated) {
  if (!terminated.is_object()) return;
  out.ended = true;
  out.exit_code = static_cast<int>(number(terminated, "exitCode"));
  out.exit_reason = text(terminated, "reason");
  out.exit_message = text(terminated, "message");
}

ContainerFact container_fact(const Json& spec, const Json& statuses, bool init, base::WallTime now) {
  ContainerFact out{.name = text(spec, "name"), .image = text(spec, "image")};
  out.init = init && text(spec, "restartPolicy") != "Always";  // such a one stays beside the others
  out.memory_limit = text(field(field(spec, "resources"), "limits"), "memory");
  if (const Json& probe = field(spec, "startupProbe"); probe.is_object())
    out.startup_limit_s =
        number(probe, "initialDelaySeconds") +
        number(probe, "periodSeconds", kPeriod_s) * number(probe, "failureThreshold", kFailures);
  for (const Json& status : statuses) {
    if (text(status, "name") != out.name) continue;
    const Json& state = field(status, "state");
    out.ready = truth(status, "ready");
    out.started = truth(status, "started");
    out.restarts = static_cast<int>(number(status, "restartCount"));
    out.running = field(state, "running").is_object();
    if (out.running) out.running_s = age_of(text(field(state, "running"), "startedAt"), now);
    out.waiting_reason = text(field(state, "waiting"), "reason");
    out.waiting_message = text(field(state, "waiting"), "message");
    take_end(out, field(field(status, "lastState"), "terminated"));
    take_end(out, field(state, "terminated"));
  }
  return out;
}

std::map<std::string, std::string> tolerations_of(const Json& spec) {
  std::map<std::string, std::string> out;
  for (const Json& t : list(spec, "tolerations")) out[text(t, "key")] = text(t, "effect");
  return out;
}

std::string seen_last(const Json& event) {
  for (const std::string& time :
       {text(field(event, "series"), "lastObservedTime"), text(event, "lastTimestamp"),
        text(event, "eventTime"), text(event, "firstTimestamp"),
        text(field(event, "metadata"), "creationTimestamp")})
    if (!time.empty()) return time;
  return {};
}

}  // namespace

// "2026-11-27T01:33:21Z", with or without a fraction, or "...+02:00".
double age_of(std::string_view time, base::WallTime now) {
  const auto at = base::from_rfc3339(time);
  if (!at) return 0;
  return std::max(0.0,
                  std::chrono::duration<double>(now.time_since_epoch()).count() - static_cast<double>(*at));
}

PodFact pod_fact(const Json& pod, base::WallTime now) {
  const Json &meta = field(pod, "metadata"), &spec = field(pod, "spec"), &status = field(pod, "status");
  PodFact out{.name = text(meta, "name"),
              .phase = text(status, "phase"),
              .reason = text(status, "reason"),
              .message = text(status, "message"),
              .node = text(spec, "nodeName")};
  out.conditions = conditions_of(status);
  out.ready = holds(out.conditions, "Ready");
  out.leaving = !text(meta, "deletionTimestamp").empty();
  out.age_s = age_of(text(meta, "creationTimestamp"), now);
  for (const Json& c : list(spec, "initContainers"))
    out.containers.push_back(container_fact(c, list(status, "initContainerStatuses"), true, now));
  for (const Json& c : list(spec, "containers"))
    out.containers.push_back(container_fact(c, list(status, "containerStatuses"), false, now));
  out.requests = requests_of(spec);
  out.selector = texts(field(spec, "nodeSelector"));
  out.node_affinity =
      field(field(field(spec, "affinity"), "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution")
          .is_object();
  out.tolerations = tolerations_of(spec);
  for (const Json& volume : list(spec, "volumes"))
    if (const std::string claim = text(field(volume, "persistentVolumeClaim"), "claimName"); !claim.empty())
      out.claims.push_back(claim);
  return out;
}

std::vector<EventFact> events_about(const Json& events, std::string_view kind, std::string_view name,
                                    base::WallTime now) {
  std::vector<std::pair<std::string, EventFact>> found;
  for (const Json& event : events) {
    const Json& about = field(event, "involvedObject");
    if (text(about, "kind") != kind || text(about, "name") != name) continue;
    const std::string time = seen_last(event);
    const double count = std::max(number(event, "count", 1), number(field(event, "series"), "count", 1));
    found.emplace_back(time, EventFact{.reason = text(event, "reason"),
                                       .message = text(event, "message"),
                                       .age_s = age_of(time, now),
                                       .count = static_cast<int>(count)});
  }
  // RFC 3339 in UTC sorts as text to the second; what is equal is ordered by its words.
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    const auto second = [](const auto& e) { return e.first.substr(0, 19); };
    return second(a) != second(b) ? second(a) > second(b) : a.second.message < b.second.message;
  });
  std::vector<EventFact> out;
  for (auto& [time, event] : found) out.push_back(std::move(event));
  return out;
}

domain::OwnerFact owner_fact(const Json& object) {
  const Json& spec = field(object, "spec");
  domain::OwnerFact out{.kind = text(object, "kind"), .name = text(field(object, "metadata"), "name")};
  out.conditions = conditions_of(field(object, "status"));
  if (out.kind != "RayService") out.wanted = static_cast<int>(number(spec, "replicas", 1));
  if (out.kind == "LeaderWorkerSet")
    out.wanted *= static_cast<int>(number(field(spec, "leaderWorkerTemplate"), "size", 1));
  return out;
}

domain::ClaimFact claim_fact(const Json& claim) {
  return {.name = text(field(claim, "metadata"), "name"),
          .phase = text(field(claim, "status"), "phase"),
          .storage_class = text(field(claim, "spec"), "storageClassName")};
}

domain::NodeClaimFact node_claim_fact(const Json& claim) {
  const Json& meta = field(claim, "metadata");
  domain::NodeClaimFact out{.name = text(meta, "name"),
                            .pool = text(field(meta, "labels"), "karpenter.sh/nodepool")};
  out.conditions = conditions_of(field(claim, "status"));
  out.ready = holds(out.conditions, "Ready");
  for (const Json& requirement : list(field(claim, "spec"), "requirements")) {
    if (text(requirement, "operator") != "In") continue;
    for (const Json& value : list(requirement, "values"))
      if (value.is_string()) out.allowed[text(requirement, "key")].push_back(value.get<std::string>());
  }
  return out;
}

domain::NodeFact node_fact(const Json& node) {
  const Json& meta = field(node, "metadata");
  domain::NodeFact out{.name = text(meta, "name")};
  out.ready = holds(conditions_of(field(node, "status")), "Ready");
  out.labels = texts(field(meta, "labels"));
  for (const Json& taint : list(field(node, "spec"), "taints"))
    out.taints.push_back({text(taint, "key"), text(taint, "value"), text(taint, "effect")});
  out.allocatable = amounts(field(field(node, "status"), "allocatable"));
  return out;
}

void add_log(ContainerFact& container, std::string_view log, base::WallTime now) {
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    const std::size_t space = line.find(' ');
    const bool stamped = space != std::string_view::npos && line.size() > 20 && line[10] == 'T';
    if (stamped) {
      container.log_age_s = age_of(line.substr(0, space), now);
      line.remove_prefix(space + 1);
    }
    // A progress bar draws over itself; what stands last is what a person would see.
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (const std::size_t drawn = line.rfind('\r'); drawn != std::string_view::npos)
      line.remove_prefix(drawn + 1);
    if (!line.empty()) container.log.emplace_back(line);
  }
}

}  // namespace slipway::kube
