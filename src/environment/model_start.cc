#include "environment/model_start.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/model_pods.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::field, codec::list, codec::number, codec::text;
using kube::Phase, kube::StartPhase;

constexpr auto kLook = std::chrono::seconds(1);
const kube::Resource kPods{"", "v1", "pods"}, kEvents{"", "v1", "events"}, kNodes{"", "v1", "nodes"};
const kube::Resource kDeployments{"apps", "v1", "deployments"};
const kube::Resource kNodeClaims{"karpenter.sh", "v1", "nodeclaims"};
constexpr const char* kPulledEvents = "?fieldSelector=reason%3DPulled%2CinvolvedObject.kind%3DPod";

std::string uid_of(const Json& pod) {
  return text(field(pod, "metadata"), "uid");
}
bool ready(const Json& pod) {
  return text(kube::replica_of(pod), "state") == "ready";
}

// Whether a Deployment still has something to do: see a change, make new pods, take old ones away.
bool rolls(const Json& deployment) {
  const Json &spec = field(deployment, "spec"), &status = field(deployment, "status");
  const double wanted = number(spec, "replicas", 1), updated = number(status, "updatedReplicas");
  return number(status, "observedGeneration") < number(field(deployment, "metadata"), "generation") ||
         updated < wanted || number(status, "replicas") > updated;
}

// What keeps a replica from ever being ready, if something does. One of an earlier version will be replaced.
std::optional<Error> hopeless(const Rollout& rollout, const PodsBefore& before, const std::string& model) {
  for (const Json& pod : rollout.pods) {
    const Json replica = kube::replica_of(pod);
    const std::string state = text(replica, "state");
    if (state != "failed" && state != "crash_loop") continue;
    if (rollout.replacing && before.all.contains(uid_of(pod))) continue;
    const std::string id = text(replica, "id"), exit = text(replica, "last_exit");
    return Error(state == "crash_loop" ? ErrorCode::crash_loop : ErrorCode::kubernetes_failed,
                 fmt::format("replica {} of {} cannot run: {}{}", id, model,
                             text(field(replica, "progress"), "phase"), exit.empty() ? "" : "; last " + exit))
        .with_next(
            fmt::format("`slipway why {}` says the cause, `slipway undeploy {}` takes it back.", id, model));
  }
  return std::nullopt;
}

std::string words_of(const Rollout& rollout, int wanted) {
  std::string out;
  for (const Json& pod : rollout.pods) {
    const Json replica = kube::replica_of(pod);
    const std::string phase = text(field(replica, "progress"), "phase");
    if (out.empty() && !phase.empty()) out = fmt::format("; {}: {}", text(replica, "id"), phase);
  }
  if (out.empty() && rollout.replacing) out = "; old ones are being replaced";
  return fmt::format("{} of {} replicas to be ready{}", rollout.ready, wanted, out);
}

}  // namespace

PodsBefore pods_before(const Json& pods) {
  PodsBefore out;
  for (const Json& pod : pods) {
    out.all.insert(uid_of(pod));
    if (ready(pod)) out.ready.insert(uid_of(pod));
  }
  return out;
}

Rollout rollout_of(const Json& pods, const Json& deployments, const PodsBefore& before, int wanted) {
  Rollout out;
  for (const Json& pod : pods) {
    if (field(pod, "metadata").contains("deletionTimestamp")) continue;
    out.pods.push_back(pod);
    if (ready(pod)) ++out.ready;
    if (!before.ready.contains(uid_of(pod))) out.starting.push_back(pod);
  }
  out.replacing = std::ranges::any_of(deployments, rolls);
  const auto all_updated = [](const Json& d) {
    return number(field(d, "status"), "observedGeneration") >= number(field(d, "metadata"), "generation") &&
           number(field(d, "status"), "updatedReplicas") >= number(field(d, "spec"), "replicas", 1);
  };
  out.made = static_cast<int>(out.pods.size()) >= wanted && std::ranges::all_of(deployments, all_updated);
  out.complete =
      out.made && !out.replacing && out.ready >= wanted && out.ready == static_cast<int>(out.pods.size());
  return out;
}

Result<ModelStart> ModelStart::before(kube::Client& api, std::string name_space, std::string model,
                                      const io::Patience& patience) {
  ModelStart out(api, std::move(name_space), std::move(model), patience);
  SLIPWAY_TRY(const Json pods, out.of_model(kPods));
  out.before_ = pods_before(pods);
  return out;
}

Result<Json> ModelStart::of_model(const kube::Resource& resource) {
  SLIPWAY_TRY(const Json found,
              api_.list(resource.path(name_space_), fmt::format("{}={}", kube::kModelLabel, model_)));
  return found.at("items");
}

// What may not be read, or is not served, is empty.
Result<Json> ModelStart::readable(const std::string& path) {
  auto found = api_.list(path);
  if (found) return found->at("items");
  if (found.error().code() == ErrorCode::access_denied || found.error().param() == "NotFound")
    return Json::array();
  return std::move(found).error();
}

// A node is looked at once; one of Karpenter's until its claim says that it is complete.
Result<void> ModelStart::look_at_node(kube::ReplicaStart& replica) {
  const std::string name = text(field(replica.pod, "spec"), "nodeName");
  if (name.empty()) return {};
  const auto [seen, is_new] = nodes_.try_emplace(name);
  auto& [node, claim] = seen->second;
  const bool coming = claim.is_object() && !kube::holds(claim, "Initialized");
  if (is_new) {
    auto found = api_.get(kNodes.path("", name));
    if (!found && found.error().code() != ErrorCode::access_denied) return std::move(found).error();
    if (found && *found) node = **found;
  }
  const bool karpenters = field(field(node, "metadata"), "labels").contains("karpenter.sh/nodepool");
  if ((is_new && karpenters) || coming) {
    SLIPWAY_TRY(const Json claims, readable(kNodeClaims.path()));
    for (const Json& one : claims)
      if (text(field(one, "status"), "nodeName") == name) claim = one;
  }
  replica.node = node;
  replica.claim = claim;
  return {};
}

Result<std::vector<StartPhase>> ModelStart::phases_of(const Rollout& rollout) {
  if (rollout.starting.empty()) return std::vector<StartPhase>();
  SLIPWAY_TRY(const Json events, readable(kEvents.path(name_space_) + kPulledEvents));
  std::vector<std::vector<StartPhase>> replicas;
  for (const Json& pod : rollout.starting) {
    kube::ReplicaStart replica{.pod = pod, .events = events, .node = {}, .claim = {}};
    SLIPWAY_RETURN_IF_ERROR(look_at_node(replica));
    replicas.push_back(kube::phases_of(replica));
  }
  return kube::slowest(replicas);
}

void ModelStart::tell(const std::vector<StartPhase>& phases, const Rollout& rollout,
                      const OnPhase& on_phase) {
  if (!rollout.made || !on_phase) return;
  for (const StartPhase& phase : phases)
    if (phase.replicas == rollout.starting.size() && told_.insert(phase.phase).second)
      on_phase(phase, rollout.starting.size());
}

Result<StartedModel> ModelStart::wait(int replicas, base::Duration limit, const OnPhase& on_phase) {
  const base::MonotonicTime begin = base::monotonic_now();
  while (true) {
    SLIPWAY_TRY(const Json pods, of_model(kPods));
    SLIPWAY_TRY(const Json deployments, of_model(kDeployments));
    const Rollout now = rollout_of(pods, deployments, before_, replicas);
    SLIPWAY_TRY(const auto phases, phases_of(now));
    tell(phases, now, on_phase);
    if (now.complete) {
      const Json models = kube::models_of(now.pods);
      const Json none{{"id", model_}, {"state", "pending"}, {"replicas", Json::array()}};  // none is wanted
      return StartedModel{
          .model = models.empty() ? none : models.front(), .phases = phases, .started = now.starting.size()};
    }
    if (auto error = hopeless(now, before_, model_)) return *std::move(error);
    const base::Duration elapsed = base::monotonic_now() - begin;
    if (elapsed > limit)
      return Error(ErrorCode::timeout,
                   fmt::format("waited {} for {}", base::human_duration(limit), words_of(now, replicas)))
          .with_next(fmt::format("`slipway why {}` says what it waits for; the deployment goes on.", model_));
    patience_.tell(words_of(now, replicas), elapsed);
    SLIPWAY_RETURN_IF_ERROR(patience_.pause(kLook));
  }
}

}  // namespace slipway::environment
