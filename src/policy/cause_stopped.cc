// Replicas that have a node: mounts, images, containers that end, and containers that take their time.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/time.h"
#include "policy/cause_parts.h"

namespace slipway::policy {
namespace {

using domain::ContainerFact, domain::EventFact, domain::ModelFacts, domain::NodeFact, domain::PodFact;

constexpr double kStillSpeaks_s = 180;  // a loader that has said nothing for longer is not counted as moving
constexpr double kFirstWords_s = 60;    // before its first word a program may be silent
constexpr double kFirstProbe_s = 30;    // probes come every few seconds, and readiness is told a moment later
constexpr std::size_t kLastLines = 8;
constexpr int kKilled = 137;  // 128 + SIGKILL
constexpr auto kImageReasons =
    std::to_array<std::string_view>({"ImagePullBackOff", "ErrImagePull", "InvalidImageName",
                                     "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"});

std::string age(double seconds) {
  return base::human_duration(std::chrono::seconds(static_cast<std::int64_t>(std::max(0.0, seconds))));
}

const EventFact* newest(const PodFact& pod, std::string_view reason, std::string_view part = "") {
  for (const EventFact& event : pod.events)
    if (event.reason == reason && has(event.message, part)) return &event;
  return nullptr;
}

std::string deploy_again() {
  return "then run `slipway deploy FILE`";
}

// -- Secrets and ConfigMaps --------------------------------------------------------------------------------

std::string create_secret(const ModelFacts& facts, const std::string& name, const std::string& key) {
  if (name == "hf-token") return "`slipway secret set hf-token` makes it; the replica then starts by itself.";
  return fmt::format(
      "`kubectl -n {} create secret generic {} --from-file={}=FILE` makes it; the replica then "
      "starts by itself.",
      facts.name_space, name, key.empty() ? "KEY" : key);
}

// The words of kubelet about a Secret or a ConfigMap that is not there, from a container or from a mount.
std::optional<Finding> missing_object(const ModelFacts& facts, const std::string& text) {
  const bool secret = has(text, "secret"), config = has(text, "configmap");
  const bool gone = has(text, "not found") || has(text, "couldn't find key") || has(text, "non-existent");
  if (!(secret || config) || !gone) return std::nullopt;
  std::string key = between(text, "couldn't find key ", " ");
  if (key.empty()) key = between(text, "references non-existent secret key: ", " ");
  if (key.empty()) key = between(text, "references non-existent config key: ", " ");
  while (key.ends_with('.') || key.ends_with(',')) key.pop_back();
  // "secret "NAME" not found", "Secret NAMESPACE/NAME"; of a key in a volume only the volume is named.
  const bool is_secret = secret && !(config && text.find("configmap") < text.find("secret"));
  std::string name = between(text, is_secret ? "secret \"" : "configmap \"", "\"");
  if (name.empty()) name = between(text, is_secret ? "Secret " : "ConfigMap ", " ");
  if (const std::size_t slash = name.find('/'); slash != std::string::npos) name = name.substr(slash + 1);
  const std::string volume = between(text, "for volume \"", "\"");
  const char* const kind = is_secret ? "Secret" : "ConfigMap";
  const std::string what =
      name.empty() ? fmt::format("the {} of volume {}", kind, volume) : fmt::format("{} {}", kind, name);
  return Finding{.trouble = is_secret ? Trouble::missing_secret : Trouble::missing_config,
                 .sentence = key.empty() ? fmt::format("{} is not in namespace {}", what, facts.name_space)
                                         : fmt::format("{} has no key {}", what, key),
                 .next = is_secret
                             ? create_secret(facts, name.empty() ? "NAME" : name, key)
                             : fmt::format("`kubectl -n {} get configmaps` shows what is there; run `slipway "
                                           "deploy FILE` again to make the model's own.",
                                           facts.name_space)};
}

// -- images ------------------------------------------------------------------------------------------------

Finding image(const PodFact& pod, const ContainerFact& container) {
  std::string words = container.waiting_message;
  if (const EventFact* const event = newest(pod, "Failed", "pull image")) words += " " + event->message;
  std::string why = "the registry does not give it", next;
  const std::string mend =
      fmt::format("mend inference.modelServer.image in the values file, {}", deploy_again());
  if (container.waiting_reason == "ErrImageNeverPull") {
    why = "it is not on the node, and the values file forbids pulling it";
    next = "Load it on the node, or " + mend + ".";
  } else if (container.waiting_reason == "InvalidImageName") {
    why = "that is no name of an image";
    next = "Please " + mend + ".";
  } else if (has(words, "toomanyrequests") || has(words, "429") || has(words, "rate limit")) {
    why = "the registry's rate limit is reached";
    next = fmt::format("Wait, or log in with imagePullSecrets in the values file, {}.", deploy_again());
  } else if (has(words, "unauthorized") || has(words, "authorization failed") || has(words, "denied") ||
             has(words, "forbidden") || has(words, "no basic auth") || has(words, "401") ||
             has(words, "403")) {
    why = "the registry wants credentials (or has no such repository)";
    next = fmt::format(
        "`kubectl create secret docker-registry` makes them, imagePullSecrets in the values file "
        "names them, {}.",
        deploy_again());
  } else if (has(words, "no match for platform") || has(words, "exec format")) {
    why = "there is none for this node's processor";
    next = "Choose another accelerator or image: " + mend + ".";
  } else if (has(words, "no such host") || has(words, "i/o timeout") || has(words, "connection refused") ||
             has(words, "network is unreachable") || has(words, "no route to host") ||
             has(words, "server misbehaving")) {
    why = "the registry cannot be reached from the node";
    next = "Check the node's way out and the registry's name, or " + mend + ".";
  } else if (has(words, "not found") || has(words, "manifest unknown")) {
    why = "there is no such image or tag";
    next = "Please " + mend + ".";
  } else {
    next = "Please " + mend + ".";
  }
  Finding out{.trouble = Trouble::image_pull,
              .sentence = fmt::format("image {} cannot be pulled: {}", container.image, why),
              .next = std::move(next)};
  out.evidence.push_back(fmt::format("container {}: {}{}{}", container.name, container.waiting_reason,
                                     container.waiting_message.empty() ? "" : ": ",
                                     shortened(container.waiting_message)));
  if (const EventFact* const event = newest(pod, "Failed", "pull image"))
    out.evidence.push_back(said(*event));
  return out;
}

// -- containers that ended ---------------------------------------------------------------------------------

// On this machine the daemon says in words how a worker ended; its exit code is negative then.
std::string how_it_ended(const ContainerFact& c) {
  std::string out = c.exit_code < 0 ? fmt::format("{}: {}", c.name, shortened(c.exit_message))
                                    : fmt::format("container {}: exit {}{}", c.name, c.exit_code,
                                                  c.exit_reason.empty() ? "" : " (" + c.exit_reason + ")");
  if (c.restarts > 0) out += fmt::format(", restarted {} time{}", c.restarts, c.restarts == 1 ? "" : "s");
  if (c.exit_code >= 0 && !c.exit_message.empty()) out += ": " + shortened(c.exit_message);
  return out;
}

std::string crash_words(const ContainerFact& c) {
  if (c.exit_reason == "LoadFailed") return "the engine cannot load the model";
  if (c.exit_reason == "NoProgress") return "it was ended because it made no progress";
  if (c.exit_code < 0) return "it crashes: " + shortened(c.exit_message);
  return fmt::format("it crashes: {} ends with exit code {}",
                     c.init ? "init container " + c.name : "its program", c.exit_code);
}

Finding memory(const ModelFacts& facts, const std::string& sentence) {
  return {
      .trouble = Trouble::out_of_memory,
      .sentence = sentence,
      .next =
          facts.on_cluster()
              ? fmt::format("Raise resources (memory) or lower modelParameters.maxModelLen in the values "
                            "file, {}.",
                            deploy_again())
              : "Lower modelParameters.maxModelLen or choose a smaller model (`slipway models --available` "
                "says what fits), then run `slipway deploy` again."};
}

Finding gated(const ModelFacts& facts, const LogSign& sign) {
  return {
      .trouble = Trouble::gated_model,
      .sentence = sign.what,
      .next = facts.on_cluster()
                  ? "Accept the licence on the model's page, then `slipway secret set hf-token`; a replica "
                    "takes the token when it starts again."
                  : "Accept the licence on the model's page, then `slipway secret set hf-token` and `slipway "
                    "deploy` again."};
}

// Killed by a probe: which.
std::string probe_that_killed(const PodFact& pod) {
  for (const EventFact& event : pod.events)
    if (event.reason == "Killing" && has(event.message, "probe"))
      return has(event.message, "startup") ? "startup" : "liveness";
  return {};
}

Finding ended(const ModelFacts& facts, const PodFact& pod, const ContainerFact& c) {
  Finding out;
  const auto sign = sign_in(c.log);
  const std::string probe = probe_that_killed(pod);
  const std::string limit = c.memory_limit.empty() ? "" : fmt::format(" (its limit is {})", c.memory_limit);
  if (c.exit_reason == "OOMKilled") {
    out = memory(facts, fmt::format("the kernel killed it for its use of memory{}", limit));
  } else if (sign && sign->trouble == Trouble::gated_model) {
    out = gated(facts, *sign);
  } else if (sign) {
    out = memory(facts, sign->what);
  } else if (c.exit_reason == "StartError" || c.exit_reason == "ContainerCannotRun") {
    out = {.trouble = Trouble::cannot_start,
           .sentence = "its program cannot be run",
           .next = fmt::format("Mend the command or the image in the values file, {}.", deploy_again())};
  } else if (probe == "startup") {
    out = {.trouble = Trouble::crash_loop,
           .sentence =
               fmt::format("it is ended and begun anew because it is not ready within its startup time{}",
                           c.startup_limit_s > 0 ? " of " + age(c.startup_limit_s) : ""),
           .next = fmt::format(
               "Raise startupProbe.failureThreshold in the values file if its log shows progress, "
               "{}; `slipway logs {}` shows it.",
               deploy_again(), pod.name)};
  } else if (probe == "liveness") {
    out = {.trouble = Trouble::crash_loop,
           .sentence = "it is ended and begun anew because it stopped answering its liveness probe",
           .next = fmt::format("`slipway logs {}` shows what it did last.", pod.name)};
  } else if (c.exit_code == kKilled && c.exit_reason != "Killed") {
    out = memory(facts, fmt::format("it was killed (SIGKILL), most likely for its use of memory{}", limit));
  } else if (c.exit_code == 0 && !c.init) {
    out = {
        .trouble = Trouble::crash_loop,
        .sentence = "its program ends by itself, without an error, instead of serving",
        .next = fmt::format("Mend its command in the values file, {}; `slipway logs {}` shows what it said.",
                            deploy_again(), pod.name)};
  } else {
    out = {.trouble = Trouble::crash_loop,
           .sentence = crash_words(c),
           .next = fmt::format("`slipway logs {}` shows more; mend what it names in the values file, {}.",
                               pod.name, deploy_again())};
  }
  out.evidence.push_back(how_it_ended(c));
  if (const EventFact* const event = newest(pod, "Killing", "probe")) out.evidence.push_back(said(*event));
  add_log(c.log, kLastLines, out.evidence);
  // The line that decided is shown even when others follow it.
  if (sign && std::ranges::find(out.evidence, "log: " + sign->line) == out.evidence.end())
    out.evidence.insert(out.evidence.begin() + 1, "log: " + sign->line);
  return out;
}

// -- containers that run -----------------------------------------------------------------------------------

Finding still_starting(const ModelFacts& facts, const PodFact& pod, const ContainerFact& c) {
  if (const auto sign = sign_in(c.log)) {
    Finding out = sign->trouble == Trouble::gated_model ? gated(facts, *sign) : memory(facts, sign->what);
    out.evidence.push_back("log: " + sign->line);
    return out;
  }
  const bool speaks = c.log_age_s >= 0 && c.log_age_s < kStillSpeaks_s;
  const std::string of = c.startup_limit_s > 0
                             ? fmt::format(" of the {} that its startup probe allows", age(c.startup_limit_s))
                             : "";
  Finding out;
  if (speaks) {
    out = {.trouble = Trouble::slow_start,
           .sentence = "it is not ready yet and still makes progress: nothing is wrong so far",
           .next = fmt::format("Wait; `slipway logs {}` shows it, `slipway why {}` again says how far it is.",
                               pod.name, facts.id)};
  } else if (c.running_s < kFirstWords_s) {
    out = {.trouble = Trouble::starting,
           .sentence = "it was started a moment ago",
           .next = fmt::format("Wait; `slipway why {}` again says how far it is.", facts.id)};
  } else {
    out = {.trouble = Trouble::no_progress,
           .sentence = c.log_age_s < 0 ? std::string("it runs, is not ready and has said nothing")
                                       : "it runs, is not ready, and has said nothing new for minutes",
           .next = facts.on_cluster()
                       ? fmt::format(
                             "`kubectl -n {} exec {} -- ps aux` shows what it does; `kubectl -n {} delete "
                             "pod {}` starts it anew.",
                             facts.name_space, pod.name, facts.name_space, pod.name)
                       : fmt::format("`slipway logs {}` shows what it did last.", pod.name)};
  }
  if (facts.on_cluster())
    out.evidence.push_back(fmt::format("container {}: runs for {}{}", c.name, age(c.running_s), of));
  if (const EventFact* const event = newest(pod, "Unhealthy")) out.evidence.push_back(said(*event));
  if (const EventFact* const event = newest(pod, "Progress"))
    out.evidence.push_back("progress: " + event->message);
  if (c.log_age_s >= 0 && facts.on_cluster())
    out.evidence.push_back(fmt::format("its newest line is {} old", age(c.log_age_s)));
  add_log(c.log, 4, out.evidence);
  return out;
}

Finding unready(const PodFact& pod, const ContainerFact& c) {
  const EventFact* const failed = newest(pod, "Unhealthy");
  if (failed == nullptr && c.running_s < kFirstProbe_s)
    return {.trouble = Trouble::starting,
            .sentence = "it was started, and its readiness probe has not answered yet",
            .next = "`slipway status` shows when it is ready."};
  Finding out{.trouble = Trouble::not_ready,
              .sentence = "it was started, and its readiness probe fails",
              .next = fmt::format("`slipway logs {}` shows what it does.", pod.name)};
  out.evidence.push_back(
      failed != nullptr ? said(*failed) : fmt::format("container {}: runs for {}", c.name, age(c.running_s)));
  add_log(c.log, 4, out.evidence);
  return out;
}

// -- one container, one pod --------------------------------------------------------------------------------

// Nothing when this container holds nobody up.
std::optional<Finding> of_container(const ModelFacts& facts, const PodFact& pod, const ContainerFact& c) {
  if (std::ranges::find(kImageReasons, c.waiting_reason) != kImageReasons.end()) return image(pod, c);
  if (c.waiting_reason == "CreateContainerConfigError" || c.waiting_reason == "CreateContainerError" ||
      c.waiting_reason == "RunContainerError") {
    const std::string line =
        fmt::format("container {}: {}: {}", c.name, c.waiting_reason, shortened(c.waiting_message));
    auto missing = missing_object(facts, c.waiting_message);
    Finding out =
        missing ? *std::move(missing)
                : Finding{.trouble = Trouble::cannot_start,
                          .sentence = fmt::format("container {} cannot be made", c.name),
                          .next = fmt::format("Mend what it names in the values file, {}.", deploy_again())};
    out.evidence.push_back(line);
    return out;
  }
  if (c.init && c.ended && c.exit_code == 0 && c.waiting_reason.empty()) return std::nullopt;
  if (c.ready && !c.init) return std::nullopt;
  // One that was begun anew and is past its start tells of now, not of its last end.
  const bool again = c.running && c.started && c.running_s > kFirstWords_s;
  if (c.ended && !again && (c.exit_code != 0 || !c.init)) return ended(facts, pod, c);
  if (c.running && !c.started) return still_starting(facts, pod, c);
  if (c.running && c.init) return still_starting(facts, pod, c);
  if (c.running) return unready(pod, c);
  return std::nullopt;
}

std::optional<Finding> of_node(const ModelFacts& facts, const PodFact& pod) {
  const auto node = std::ranges::find(facts.nodes, pod.node, &NodeFact::name);
  const bool lost = node != facts.nodes.end() && !node->ready;
  if (!lost && pod.reason != "NodeLost" && pod.reason != "NodeShutdown") return std::nullopt;
  return Finding{.trouble = Trouble::node_lost,
                 .sentence = fmt::format("its node {} is not ready", pod.node),
                 .evidence = {fmt::format("node {}: not Ready", pod.node)},
                 .next = fmt::format("`kubectl describe node {}` says why.", pod.node)};
}

}  // namespace

void find_stopped(const ModelFacts& facts, const PodFact& pod, std::vector<Finding>& out) {
  if (pod.reason == "Evicted" || pod.reason == "Preempted" || pod.reason == "Preempting") {
    const bool low = has(pod.message, "memory");
    Finding finding{
        .trouble = low ? Trouble::out_of_memory : Trouble::evicted,
        .sentence = low ? "the node ran out of memory and put it out" : "it was put out of its node",
        .evidence = {fmt::format("pod: {}: {}", pod.reason, shortened(pod.message))},
        .next = fmt::format("`kubectl describe node {}` shows the node; raise the requests in the values "
                            "file so that its place is kept, {}.",
                            pod.node, deploy_again())};
    out.push_back(std::move(finding));
    return;
  }
  if (pod.phase == "Succeeded") {
    out.push_back({.trouble = Trouble::ready, .sentence = "its work is done"});
    return;
  }
  if (auto finding = of_node(facts, pod)) {
    out.push_back(*std::move(finding));
    return;
  }
  const bool waits = std::ranges::any_of(pod.containers, [](const ContainerFact& c) {
    return c.waiting_reason == "ContainerCreating" || c.waiting_reason == "PodInitializing";
  });
  const EventFact* const mount = newest(pod, "FailedMount");
  const bool late = mount != nullptr && has(mount->message, "timed out waiting for the condition");
  if (mount != nullptr && waits && !late) {
    auto missing = missing_object(facts, mount->message);
    Finding finding = missing ? *std::move(missing)
                              : Finding{.trouble = Trouble::volume,
                                        .sentence = "a volume cannot be mounted",
                                        .next = fmt::format("`kubectl -n {} describe pod {}` shows it.",
                                                            facts.name_space, pod.name)};
    finding.evidence.push_back(said(*mount));
    out.push_back(std::move(finding));
    return;
  }
  if (const EventFact* const sandbox = newest(pod, "FailedCreatePodSandBox"); sandbox != nullptr && waits) {
    out.push_back(
        {.trouble = Trouble::cannot_start,
         .sentence = "its node cannot make a place for it (network or runtime class)",
         .evidence = {said(*sandbox)},
         .next = fmt::format("`kubectl describe node {}` shows the node; the evidence names what it lacks.",
                             pod.node)});
    return;
  }
  if (const EventFact* const attach = newest(pod, "FailedAttachVolume"); attach != nullptr && waits) {
    out.push_back(
        {.trouble = Trouble::volume,
         .sentence = "a volume cannot be attached to its node",
         .evidence = {said(*attach)},
         .next = fmt::format("`kubectl -n {} describe pod {}` shows it.", facts.name_space, pod.name)});
    return;
  }
  for (const ContainerFact& container : pod.containers) {
    if (auto finding = of_container(facts, pod, container)) {
      out.push_back(*std::move(finding));
      return;
    }
  }
  if (!waits) return;
  out.push_back({.trouble = Trouble::starting,
                 .sentence = "its containers are being made",
                 .next = fmt::format("Wait; `slipway why {}` again says how far it is.", facts.id)});
  if (const EventFact* const pulling = newest(pod, "Pulling"))
    if (newest(pod, "Pulled") == nullptr) {
      out.back().sentence = "its image is being pulled";
      out.back().evidence.push_back(said(*pulling));
    }
}

}  // namespace slipway::policy
