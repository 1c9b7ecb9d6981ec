#include "kube/kubectl.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::kube {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr auto kCallTime = std::chrono::minutes(2);
constexpr auto kReadyTime = std::chrono::seconds(20);
constexpr auto kBetween = std::chrono::seconds(2);
constexpr int kTries = 5;

bool absent(const std::string& words) {
  return words.find("NotFound") != std::string::npos || words.find("not found") != std::string::npos ||
         words.find("the server doesn't have a resource type") != std::string::npos ||
         words.find("no matches for kind") != std::string::npos;
}

bool unreachable(const std::string& words) {
  for (const char* part : {"Unable to connect", "connection refused", "i/o timeout", "no such host",
                           "was refused", "context deadline exceeded", "TLS handshake timeout"})
    if (words.find(part) != std::string::npos) return true;
  return false;
}

bool expired(const std::string& words) {
  return words.find("ExpiredToken") != std::string::npos ||
         words.find("provide credentials") != std::string::npos;
}

// What passes when it is asked again: an overloaded API, a webhook whose pods are not there yet.
bool passing(const std::string& words) {
  for (const char* part : {"InternalError", "failed calling webhook", "TooManyRequests", "etcdserver",
                           "ServiceUnavailable", "the object has been modified"})
    if (words.find(part) != std::string::npos) return true;
  return false;
}

Error failed(const std::string& doing, const std::string& words) {
  if (expired(words)) return Error(ErrorCode::credentials_expired, doing).with_detail(words);
  if (unreachable(words)) return Error(ErrorCode::unreachable_endpoint, doing).with_detail(words);
  return Error(ErrorCode::kubernetes_failed, doing).with_detail(words);
}

bool condition(const Json& status, std::string_view type) {
  for (const Json& c : codec::list(status, "conditions"))
    if (codec::text(c, "type") == type) return codec::text(c, "status") == "True";
  return false;
}

Health enough(const Json& status, const char* have, double want) {
  const double there = codec::number(status, have);
  return {there >= want, fmt::format("{:.0f} of {:.0f} ready", there, want)};
}

}  // namespace

io::ToolNeed kubectl_need() {
  return {.name = "kubectl",
          .version_arguments = {"version", "--client"},
          .minimum = "1.20.0",
          .how_to_get = "Install kubectl: https://kubernetes.io/docs/tasks/tools/"};
}

std::string kubeconfig_text(const ClusterAccess& a) {
  const Json config = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"clusters",
       {{{"name", a.name},
         {"cluster", {{"server", a.endpoint}, {"certificate-authority-data", a.certificate}}}}}},
      {"users",
       {{{"name", a.name},
         {"user",
          {{"exec",
            {{"apiVersion", "client.authentication.k8s.io/v1beta1"},
             {"command", "aws"},
             {"args",
              {"eks", "get-token", "--cluster-name", a.name, "--region", a.region, "--output", "json"}},
             {"interactiveMode", "Never"}}}}}}}},
      {"contexts", {{{"name", a.name}, {"context", {{"cluster", a.name}, {"user", a.name}}}}}},
      {"current-context", a.name}};
  return config.dump(2) + "\n";
}

std::string ObjectRef::words() const {
  return name_space.empty() ? fmt::format("{} {}", kind, name)
                            : fmt::format("{} {}/{}", kind, name_space, name);
}

Result<io::ToolAnswer> Kubectl::call(std::vector<std::string> arguments, std::string input,
                                     base::Duration limit) {
  SLIPWAY_RETURN_IF_ERROR(patience_.check());
  arguments.push_back("--kubeconfig=" + kubeconfig_.string());
  auto answer = io::call_tool(tool_, {.arguments = std::move(arguments),
                                      .input = std::move(input),
                                      .deadline = base::Deadline::after(limit)});
  SLIPWAY_RETURN_IF_ERROR(patience_.check());
  return answer;
}

Result<void> Kubectl::ready() {
  SLIPWAY_TRY(const io::ToolAnswer answer,
              call({"get", "--raw", "/readyz", "--request-timeout=10s"}, "", kReadyTime));
  if (!answer.ok())
    return Error(expired(answer.why()) ? ErrorCode::credentials_expired : ErrorCode::unreachable_endpoint,
                 "the cluster's API does not answer")
        .with_detail(answer.why());
  return {};
}

Result<void> Kubectl::apply(const std::string& manifests) {
  for (int attempt = 1;; ++attempt) {
    SLIPWAY_TRY(const io::ToolAnswer answer,
                call({"apply", "--server-side", "--force-conflicts", "--field-manager=slipway", "-f", "-"},
                     manifests, kCallTime));
    if (answer.ok()) return {};
    const std::string words = answer.why();
    if (attempt == kTries || !passing(words)) return failed("kubectl apply", words);
    SLIPWAY_RETURN_IF_ERROR(patience_.pause(kBetween * attempt));
  }
}

Result<void> Kubectl::apply_url(const std::string& url) {
  SLIPWAY_TRY(const io::ToolAnswer answer,
              call({"apply", "--server-side", "--force-conflicts", "--field-manager=slipway", "-f", url}, "",
                   kCallTime));
  if (!answer.ok()) return failed(fmt::format("kubectl apply -f {}", url), answer.why());
  return {};
}

Result<std::optional<Json>> Kubectl::get(const ObjectRef& ref) {
  std::vector<std::string> arguments = {"get", ref.kind, ref.name, "-o", "json"};
  if (!ref.name_space.empty()) arguments.push_back("--namespace=" + ref.name_space);
  SLIPWAY_TRY(const io::ToolAnswer answer, call(std::move(arguments), "", kCallTime));
  if (!answer.ok()) {
    if (absent(answer.err)) return std::optional<Json>();
    return failed(fmt::format("kubectl get {}", ref.words()), answer.why());
  }
  return codec::parse_json(answer.out);
}

Result<Json> Kubectl::list(const std::string& kind) {
  SLIPWAY_TRY(const io::ToolAnswer answer,
              call({"get", kind, "--all-namespaces", "-o", "json"}, "", kCallTime));
  if (!answer.ok()) {
    if (absent(answer.err)) return Json::array();
    return failed(fmt::format("kubectl get {}", kind), answer.why());
  }
  const auto json = codec::parse_json(answer.out);
  return json ? codec::list(*json, "items") : Json::array();
}

Result<void> Kubectl::erase(const ObjectRef& ref, base::Duration limit) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
  std::vector<std::string> arguments = {"delete",      ref.kind,
                                        ref.name,      "--ignore-not-found",
                                        "--wait=true", fmt::format("--timeout={}s", seconds.count())};
  if (!ref.name_space.empty()) arguments.push_back("--namespace=" + ref.name_space);
  patience_.tell(fmt::format("{} to be gone", ref.words()), {});
  SLIPWAY_TRY(const io::ToolAnswer answer, call(std::move(arguments), "", limit + kReadyTime));
  if (answer.ok() || absent(answer.err)) return {};
  return failed(fmt::format("kubectl delete {}", ref.words()), answer.why());
}

Result<void> Kubectl::release(const ObjectRef& ref) {
  std::vector<std::string> arguments = {"patch", ref.kind, ref.name, "--type=merge",
                                        R"(--patch={"metadata":{"finalizers":null}})"};
  if (!ref.name_space.empty()) arguments.push_back("--namespace=" + ref.name_space);
  SLIPWAY_TRY(const io::ToolAnswer answer, call(std::move(arguments), "", kCallTime));
  if (answer.ok() || absent(answer.err)) return {};
  return failed(fmt::format("kubectl patch {}", ref.words()), answer.why());
}

namespace {

// The scheduler's words before a node is found, the container's after.
std::string pod_waits_for(const Json& status) {
  for (const Json& c : codec::list(status, "conditions"))
    if (codec::text(c, "type") == "PodScheduled" && codec::text(c, "status") == "False")
      return codec::text(c, "message");
  for (const Json& container : codec::list(status, "containerStatuses")) {
    const Json& waiting = codec::field(codec::field(container, "state"), "waiting");
    if (waiting.is_object())
      return fmt::format("{}: {}", codec::text(waiting, "reason"), codec::text(waiting, "message"));
  }
  return fmt::format("phase {}", codec::text(status, "phase"));
}

}  // namespace

Health health_of(const std::string& kind, const Json& object) {
  const Json& status = codec::field(object, "status");
  const Json& spec = codec::field(object, "spec");
  if (codec::number(status, "observedGeneration", 0) <
          codec::number(codec::field(object, "metadata"), "generation", 0) &&
      status.contains("observedGeneration"))
    return {false, "its controller has not seen the newest version"};
  if (kind == "Deployment") return enough(status, "availableReplicas", codec::number(spec, "replicas", 1));
  if (kind == "StatefulSet") return enough(status, "readyReplicas", codec::number(spec, "replicas", 1));
  if (kind == "DaemonSet") {
    // None wanted is healthy: its nodes come with the first model.
    return enough(status, "numberReady", codec::number(status, "desiredNumberScheduled", 0));
  }
  if (kind == "CustomResourceDefinition") return {condition(status, "Established"), "not established"};
  if (kind == "NodePool" || kind == "NodeClass" || kind == "EC2NodeClass")
    return {condition(status, "Ready"), "not Ready"};
  if (kind == "Pod") return {condition(status, "Ready"), pod_waits_for(status)};
  if (kind == "OpenSearchCluster")
    return {codec::text(status, "phase") == "RUNNING", fmt::format("phase {}", codec::text(status, "phase"))};
  return {true, ""};  // being there is all that can be said
}

Result<void> Kubectl::wait_healthy(const ObjectRef& ref, base::Duration limit) {
  std::string why = "not there";
  auto done =
      patience_.until(fmt::format("{} to be ready", ref.words()), limit, kBetween, [&]() -> Result<bool> {
        SLIPWAY_TRY(const auto object, get(ref));
        if (!object) {
          why = "it is not there";
          return false;
        }
        Health health = health_of(ref.kind, *object);
        why = std::move(health.why);
        return health.healthy;
      });
  if (done || done.error().code() != ErrorCode::timeout) return done;
  std::string next =
      fmt::format("kubectl --kubeconfig {} describe {} {}", kubeconfig_.string(), ref.kind, ref.name);
  if (!ref.name_space.empty()) next += " -n " + ref.name_space;
  return Error(ErrorCode::addon_failed, fmt::format("{} did not become ready in {}: {}", ref.words(),
                                                    base::human_duration(limit), why))
      .with_next(next + ", then `slipway up` again: it continues.");
}

}  // namespace slipway::kube
