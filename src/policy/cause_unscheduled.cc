// Replicas that have no node: what the scheduler says, and whether the nodes' own figures agree.
//
// A scheduler's message is "0/N nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint
// {k: v}. preemption: ..." (kube-scheduler, FitError): a count and the first test that these nodes failed.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "base/time.h"
#include "policy/cause_parts.h"

namespace slipway::policy {
namespace {

using domain::ConditionFact, domain::EventFact, domain::ModelFacts, domain::NodeClaimFact, domain::NodeFact,
    domain::PodFact, domain::TaintFact;

constexpr const char* kDeployAgain = "then run `slipway deploy FILE`";

// -- the scheduler's message -------------------------------------------------------------------------------

struct Refusal {
  int nodes = 0;
  std::string why;
};

// The message of the scheduler, empty when it did not speak.
std::string scheduler_words(const PodFact& pod) {
  for (const ConditionFact& condition : pod.conditions)
    if (condition.type == "PodScheduled" && condition.status == "False" && !condition.message.empty())
      return condition.message;
  for (const EventFact& event : pod.events)
    if (event.reason == "FailedScheduling" && has(event.message, "available")) return event.message;
  return {};
}

std::vector<Refusal> refusals_in(std::string_view message) {
  constexpr std::string_view kMark = "available: ";
  const std::size_t begin = message.find(kMark);
  if (begin == std::string_view::npos) return {};
  std::string_view rest = message.substr(begin + kMark.size());
  rest = rest.substr(0, rest.find(". "));
  while (rest.ends_with('.')) rest.remove_suffix(1);
  std::vector<Refusal> out;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(", ");
    std::string_view part = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 2);
    Refusal refusal;
    std::size_t digits = 0;
    while (digits < part.size() && std::isdigit(static_cast<unsigned char>(part[digits])) != 0 && digits < 6)
      refusal.nodes = refusal.nodes * 10 + (part[digits++] - '0');
    while (digits < part.size() && part[digits] == ' ') ++digits;
    refusal.why = std::string(part.substr(digits));
    out.push_back(std::move(refusal));
  }
  return out;
}

// -- resources, labels, taints -----------------------------------------------------------------------------

std::string amount(const std::string& resource, double value) {
  if (resource == "memory" || resource == "ephemeral-storage")
    return base::human_bytes(static_cast<unsigned long long>(value));
  return fmt::format("{:.6g}", value);
}

bool matches(const NodeFact& node, const PodFact& pod) {
  return std::ranges::all_of(pod.selector, [&](const auto& wanted) {
    const auto found = node.labels.find(wanted.first);
    return found != node.labels.end() && found->second == wanted.second;
  });
}

double largest(const ModelFacts& facts, const PodFact& pod, const std::string& resource) {
  double out = 0;
  for (const NodeFact& node : facts.nodes)
    if (const auto has_it = node.allocatable.find(resource);
        matches(node, pod) && has_it != node.allocatable.end())
      out = std::max(out, has_it->second);
  return out;
}

std::string shortage(const ModelFacts& facts, const PodFact& pod, const std::string& resource) {
  const auto asked = pod.requests.find(resource);
  std::string out = resource;
  if (asked != pod.requests.end()) out += " " + amount(resource, asked->second);
  if (facts.nodes.empty() || asked == pod.requests.end()) return out;
  const double most = largest(facts, pod, resource);
  if (most <= 0) return out + " (no node has any)";
  if (most < asked->second) return out + fmt::format(" (the largest node has {})", amount(resource, most));
  return out + " (nodes that are large enough are full)";
}

void add_resources(const ModelFacts& facts, const PodFact& pod, const std::set<std::string>& short_of,
                   std::vector<Finding>& out) {
  if (short_of.empty()) return;
  std::string all;
  for (const std::string& resource : short_of)
    all += (all.empty() ? "" : ", ") + shortage(facts, pod, resource);
  out.push_back(
      {.trouble = Trouble::no_node_fits,
       .sentence = "no node fits what the replica asks for: " + all,
       .next = fmt::format("`kubectl describe nodes` shows what they have and who uses it; add such a "
                           "node, or lower "
                           "inference.modelServer.deployment.resources in the values file, {}.",
                           kDeployAgain)});
}

Finding no_label(const ModelFacts& facts, const PodFact& pod) {
  std::string lacking, all, keys;
  for (const auto& label : pod.selector) {
    const std::string pair = label.first + "=" + label.second;
    all += (all.empty() ? "" : ", ") + pair;
    keys += (keys.empty() ? "" : ",") + label.first;
    const bool known = std::ranges::any_of(facts.nodes, [&label](const NodeFact& node) {
      const auto found = node.labels.find(label.first);
      return found != node.labels.end() && found->second == label.second;
    });
    if (!known) lacking += (lacking.empty() ? "" : ", ") + pair;
  }
  const std::string sentence =
      !lacking.empty() && !facts.nodes.empty() ? fmt::format("no node fits: none has the label {}", lacking)
      : all.empty()                            ? std::string("no node fits the replica's node affinity")
                    : fmt::format("no node fits its selector and node affinity ({})", all);
  return {
      .trouble = Trouble::no_node_fits,
      .sentence = sentence,
      .next = fmt::format("`kubectl get nodes{}` shows the nodes' labels; change nodeSelector, instanceType "
                          "or accelerator in the values file, {}, or add such a node.",
                          keys.empty() ? " --show-labels" : " -L " + keys, kDeployAgain)};
}

// "dedicated: team-a" of the message becomes "dedicated=team-a:NoSchedule", by the nodes that have it.
std::string taint_named(const ModelFacts& facts, const std::string& braces) {
  const std::size_t colon = braces.find(": ");
  const std::string key = braces.substr(0, colon),
                    value = colon == std::string::npos ? "" : braces.substr(colon + 2);
  for (const NodeFact& node : facts.nodes)
    for (const TaintFact& taint : node.taints)
      if (taint.key == key && (value.empty() || taint.value == value))
        return fmt::format("{}{}{}:{}", key, taint.value.empty() ? "" : "=", taint.value, taint.effect);
  return value.empty() ? key : key + "=" + value;
}

bool tolerates(const PodFact& pod, const TaintFact& taint) {
  return pod.tolerations.contains("") || pod.tolerations.contains(taint.key);
}

// Every taint in the way that the pod has no toleration for.
std::string taints_in_the_way(const ModelFacts& facts, const PodFact& pod) {
  std::set<std::string> all;
  for (const NodeFact& node : facts.nodes)
    for (const TaintFact& taint : node.taints)
      if (taint.effect != "PreferNoSchedule" && !tolerates(pod, taint))
        all.insert(
            fmt::format("{}{}{}:{}", taint.key, taint.value.empty() ? "" : "=", taint.value, taint.effect));
  return fmt::format("{}", fmt::join(all, ", "));
}

Finding tainted(const ModelFacts& facts, const PodFact& pod, const std::string& why) {
  const std::string braces = between(why, "{", "}"),
                    taint = braces.empty() ? taints_in_the_way(facts, pod) : taint_named(facts, braces);
  if (taint.starts_with("node.kubernetes.io/") || has(why, "unschedulable"))
    return {.trouble = Trouble::node_lost,
            .sentence = fmt::format("nodes that would do take no pods now: {}",
                                    taint.empty() ? "they are cordoned" : taint),
            .next = "`kubectl get nodes` shows them; `kubectl describe node NODE` says why."};
  return {
      .trouble = Trouble::taint,
      .sentence = fmt::format("nodes are tainted, and the replica does not tolerate it: {}", taint),
      .next = fmt::format("Put a toleration for it under inference.modelServer.deployment.tolerations in the "
                          "values file, {}; or add nodes without the taint.",
                          kDeployAgain)};
}

Finding topology(const std::string& why) {
  return {.trouble = Trouble::topology,
          .sentence = fmt::format("the replica's place is impossible: node(s) {}",
                                  why.starts_with("node(s) ") ? why.substr(8) : why),
          .next = fmt::format(
              "`kubectl get nodes -L topology.kubernetes.io/zone` shows the zones; loosen affinity, "
              "topologySpreadConstraints or `topology` in the values file, {}.",
              kDeployAgain)};
}

Finding no_volume(const ModelFacts& facts, const std::string& why) {
  return {.trouble = Trouble::volume,
          .sentence = "its volume is not to be had: " + why,
          .next = fmt::format("`kubectl -n {} get pvc,events` shows the claim.", facts.name_space)};
}

// Nodes that have every label exist: what keeps the pod from those is the reason, not that others lack one.
bool labelled(const ModelFacts& facts, const PodFact& pod) {
  return !pod.node_affinity &&
         std::ranges::any_of(facts.nodes, [&](const NodeFact& node) { return matches(node, pod); });
}

void add_scheduler(const ModelFacts& facts, const PodFact& pod, const std::string& message,
                   std::vector<Finding>& out) {
  std::set<std::string> short_of;
  std::vector<Finding> found;
  std::optional<Finding> label;
  const bool claim_known = std::ranges::find(out, Trouble::volume, &Finding::trouble) != out.end();
  for (const Refusal& refusal : refusals_in(message)) {
    const std::string& why = refusal.why;
    if (why.starts_with("Insufficient "))
      short_of.insert(why.substr(std::string_view("Insufficient ").size()));
    else if (has(why, "too many pods"))
      short_of.insert("pods");
    else if (has(why, "persistentvolumeclaim") || has(why, "persistent volume") || has(why, "volume")) {
      if (!claim_known) found.push_back(no_volume(facts, why));
    } else if (has(why, "affinity/selector"))
      label = no_label(facts, pod);
    else if (has(why, "taint") || has(why, "unschedulable"))
      found.push_back(tainted(facts, pod, why));
    else if (has(why, "affinity") || has(why, "topology spread"))
      found.push_back(topology(why));
    else if (has(why, "free ports"))
      found.push_back({.trouble = Trouble::no_node_fits,
                       .sentence = "no node fits: the host port that it asks for is taken on each",
                       .next = "Take the host port out of the values file, or add a node."});
  }
  add_resources(facts, pod, short_of, out);
  if (label && !(labelled(facts, pod) && (!short_of.empty() || !found.empty())))
    found.push_back(*std::move(label));
  out.insert(out.end(), found.begin(), found.end());
}

}  // namespace

void find_unscheduled(const ModelFacts& facts, const PodFact& pod, std::vector<Finding>& out) {
  const std::string message = scheduler_words(pod);
  const bool coming = find_node_claims(facts, pod, out);
  if (coming && out.empty()) {
    out.push_back({.trouble = Trouble::starting,
                   .sentence = "a node for it is on its way",
                   .next = fmt::format("Wait; `slipway why {}` again says how far it is.", facts.id)});
    for (const NodeClaimFact& claim : facts.node_claims)
      if (!claim.ready)
        for (const ConditionFact& c : claim.conditions)
          if (c.status != "True" && out.front().evidence.size() < 3)
            out.front().evidence.push_back(fmt::format("node claim {}: {}", claim.name, said(c)));
    return;
  }
  find_volumes(facts, pod, out);
  find_pool_refusals(pod, out);
  add_scheduler(facts, pod, message, out);
  for (Finding& finding : out)
    if (!message.empty()) finding.evidence.push_back("scheduler: " + shortened(message));
  if (out.empty() && message.empty() && pod.age_s < 30)
    out.push_back({.trouble = Trouble::starting,
                   .sentence = "it was made a moment ago, and no node is chosen yet",
                   .next = fmt::format("Wait; `slipway why {}` again.", facts.id)});
}

}  // namespace slipway::policy
