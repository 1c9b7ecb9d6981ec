// Replicas that have no node: what the API refused, what the scheduler and Karpenter say, and whether the
// nodes' own figures agree.
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

using domain::ClaimFact, domain::ConditionFact, domain::EventFact, domain::ModelFacts, domain::NodeClaimFact,
    domain::NodeFact, domain::OwnerFact, domain::PodFact, domain::TaintFact;

constexpr double kRecent_s = 3600;  // older events tell of other days
constexpr const char* kDeployAgain = "then run `slipway deploy FILE`";

// -- what is refused ---------------------------------------------------------------------------------------

bool is_vcpu_quota(std::string_view text) {
  return has(text, "VcpuLimitExceeded") || has(text, "vCPU limit") || has(text, "InstanceLimitExceeded") ||
         has(text, "MaxSpotInstanceCountExceeded");
}
bool is_capacity(std::string_view text) {
  return has(text, "InsufficientInstanceCapacity") || has(text, "InsufficientCapacity") ||
         has(text, "UnfulfillableCapacity") || has(text, "unavailable during launch") ||
         has(text, "InsufficientFreeAddresses") || has(text, "insufficient capacity");
}

Finding namespace_quota(const ModelFacts& facts, const std::string& text) {
  const std::string name = between(text, "exceeded quota: ", ","),
                    wants = between(text, "requested: ", ", used"),
                    used = between(text, "used: ", ", limited"), limit = between(text, "limited: ", "\n");
  return {
      .trouble = Trouble::quota,
      .sentence = name.empty()
                      ? "a quota of the namespace refuses the replica"
                      : fmt::format("quota {} of namespace {} is used up: the replica asks for {}, {} is in "
                                    "use of {}",
                                    name, facts.name_space, wants, used, limit),
      .next = fmt::format("`kubectl -n {} describe resourcequota{}` shows it; raise it, or lower what the "
                          "values file asks for, {}.",
                          facts.name_space, name.empty() ? "" : " " + name, kDeployAgain)};
}

Finding refusal(const ModelFacts& facts, const std::string& text) {
  if (has(text, "quota")) return namespace_quota(facts, text);
  std::string who = "the cluster's API";
  if (has(text, "PodSecurity"))
    who = fmt::format("Pod Security \"{}\"", between(text, "PodSecurity \"", "\""));
  else if (has(text, "admission webhook"))
    who = fmt::format("webhook \"{}\"", between(text, "webhook \"", "\""));
  return {.trouble = Trouble::refused,
          .sentence = who + " takes no pod of this model",
          .next = fmt::format("Change what it names in the values file or in namespace {}, {}.",
                              facts.name_space, kDeployAgain)};
}

// On this machine: a deploy that the daemon gave up, by its error's symbol.
Finding failed_deploy(const ModelFacts& facts, const ConditionFact& failure) {
  Finding out{.trouble = Trouble::cannot_start,
              .sentence = failure.message,
              .evidence = {"deploy of " + facts.id + ": " + failure.reason},
              .next = fmt::format("`slipway explain {}` says what it means; then run `slipway deploy` again.",
                                  failure.reason)};
  if (failure.reason == "gated") {
    out.trouble = Trouble::gated_model;
    out.next =
        "Accept the licence on the model's page, then `slipway secret set hf-token` and `slipway deploy` "
        "again.";
  }
  if (failure.reason == "does_not_fit") out.trouble = Trouble::out_of_memory;
  return out;
}

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
  for (const auto& [key, value] : pod.selector) {
    const std::string pair = key + "=" + value;
    all += (all.empty() ? "" : ", ") + pair;
    keys += (keys.empty() ? "" : ",") + key;
    const bool known = std::ranges::any_of(facts.nodes, [&](const NodeFact& node) {
      const auto found = node.labels.find(key);
      return found != node.labels.end() && found->second == value;
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
  for (const Refusal& refusal : refusals_in(message)) {
    const std::string& why = refusal.why;
    if (why.starts_with("Insufficient "))
      short_of.insert(why.substr(std::string_view("Insufficient ").size()));
    else if (has(why, "too many pods"))
      short_of.insert("pods");
    else if (has(why, "persistentvolumeclaim") || has(why, "persistent volume") || has(why, "volume"))
      found.push_back(
          {.trouble = Trouble::volume,
           .sentence = "its volume is not to be had: " + why,
           .next = fmt::format("`kubectl -n {} get pvc,events` shows the claim.", facts.name_space)});
    else if (has(why, "affinity/selector"))
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

// -- Karpenter ---------------------------------------------------------------------------------------------

bool may_be_for(const NodeClaimFact& claim, const PodFact& pod) {
  return std::ranges::all_of(pod.selector, [&](const auto& wanted) {
    const auto allowed = claim.allowed.find(wanted.first);
    return allowed == claim.allowed.end() ||
           std::ranges::find(allowed->second, wanted.second) != allowed->second.end();
  });
}

Finding of_cloud(Trouble trouble, const std::string& who, const std::string& text) {
  if (trouble == Trouble::quota)
    return {.trouble = trouble,
            .sentence = fmt::format("the AWS account's quota of processors is too small for {}", who),
            .evidence = {},
            .next = "`slipway plan -f FILE --live` names the quota and the command that asks AWS for more."};
  if (has(text, "InsufficientFreeAddresses"))
    return {
        .trouble = trouble,
        .sentence = fmt::format("the subnets have no address left for {}", who),
        .evidence = {},
        .next =
            "Give the environment larger subnets (secondary_cidr_blocks), then run `slipway up -f FILE`."};
  return {.trouble = trouble,
          .sentence = fmt::format("the cloud has no machine now for {}", who),
          .evidence = {},
          .next =
              "Allow more instance types or zones (take instanceType out of the values file), then run "
              "`slipway deploy FILE`; or wait: Karpenter goes on asking."};
}

// What stands in the way of the machine; true when one is on its way.
bool add_node_claims(const ModelFacts& facts, const PodFact& pod, std::vector<Finding>& out) {
  bool coming = false;
  for (const NodeClaimFact& claim : facts.node_claims) {
    if (claim.ready || !may_be_for(claim, pod)) continue;
    const std::string who = claim.pool.empty() ? "node claim " + claim.name : "node pool " + claim.pool;
    std::vector<std::string> lines;
    std::optional<Trouble> trouble;
    std::string text;
    const auto look = [&](const std::string& reason, const std::string& message, std::string line) {
      const std::string all = reason + " " + message;
      const bool quota = is_vcpu_quota(all), capacity = is_capacity(all);
      if (!quota && !capacity) return;
      if (quota || !trouble) trouble = quota ? Trouble::quota : Trouble::capacity;
      text += all;
      lines.push_back(fmt::format("node claim {}: {}", claim.name, line));
    };
    for (const ConditionFact& c : claim.conditions)
      if (c.status != "True") look(c.reason, c.message, said(c));
    for (const EventFact& e : claim.events)
      if (e.age_s < kRecent_s) look(e.reason, e.message, said(e));
    if (!trouble) {
      coming = true;
      continue;
    }
    Finding finding = of_cloud(*trouble, who, text);
    finding.evidence = std::move(lines);
    out.push_back(std::move(finding));
  }
  return coming;
}

// Karpenter's own words on the pod.
void add_karpenter(const PodFact& pod, std::vector<Finding>& out) {
  for (const EventFact& event : pod.events) {
    const std::string& text = event.message;
    if (event.age_s > kRecent_s || event.reason != "FailedScheduling" || has(text, "nodes are available"))
      continue;
    Finding finding;
    if (is_vcpu_quota(text) || is_capacity(text)) {
      finding = of_cloud(is_vcpu_quota(text) ? Trouble::quota : Trouble::capacity, "this replica", text);
    } else if (has(text, "exceed") && has(text, "limit")) {
      finding = {.trouble = Trouble::quota,
                 .sentence = "the node pool has reached its own limit",
                 .next =
                     "`kubectl get nodepools` shows limits and use; raise the pool's limit in the blueprint, "
                     "then run `slipway up -f FILE`."};
    } else if (has(text, "did not tolerate")) {
      finding = {.trouble = Trouble::taint,
                 .sentence = fmt::format("node pools are tainted, and the replica does not tolerate it: {}",
                                         between(text, "did not tolerate ", ";")),
                 .next = fmt::format("Put a toleration for it under "
                                     "inference.modelServer.deployment.tolerations in the values file, {}.",
                                     kDeployAgain)};
    } else if (has(text, "incompatible") || has(text, "no instance type")) {
      finding = {.trouble = Trouble::no_node_fits,
                 .sentence = "no node pool can make a node that fits the replica",
                 .next = fmt::format("`kubectl get nodepools` shows what they may make; change instanceType, "
                                     "nodeSelector or resources in the values file, {}.",
                                     kDeployAgain)};
    } else {
      continue;
    }
    finding.evidence.push_back(said(event));
    out.push_back(std::move(finding));
    return;
  }
}

}  // namespace

void find_refusals(const ModelFacts& facts, std::vector<Finding>& out) {
  for (const OwnerFact& owner : facts.owners)
    for (const ConditionFact& condition : owner.conditions)
      if (owner.kind == "deploy" && condition.type == "Failed")
        out.push_back(failed_deploy(facts, condition));
  if (facts.wanted >= 0 && static_cast<int>(facts.pods.size()) >= facts.wanted) return;
  for (const OwnerFact& owner : facts.owners) {
    const auto take = [&](const std::string& text, std::string line) {
      Finding finding = refusal(facts, text);
      finding.evidence.push_back(fmt::format("{} {}: {}", owner.kind, owner.name, line));
      out.push_back(std::move(finding));
    };
    for (const ConditionFact& condition : owner.conditions)
      if (condition.type == "ReplicaFailure" && condition.status == "True")
        return take(condition.message, said(condition));
    for (const EventFact& event : owner.events)
      if (event.reason == "FailedCreate" && event.age_s < kRecent_s) return take(event.message, said(event));
  }
}

void find_unscheduled(const ModelFacts& facts, const PodFact& pod, std::vector<Finding>& out) {
  const std::string message = scheduler_words(pod);
  const bool coming = add_node_claims(facts, pod, out);
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
  add_karpenter(pod, out);
  add_scheduler(facts, pod, message, out);
  for (Finding& finding : out)
    if (!message.empty()) finding.evidence.push_back("scheduler: " + shortened(message));
  if (out.empty() && message.empty() && pod.age_s < 30)
    out.push_back({.trouble = Trouble::starting,
                   .sentence = "it was made a moment ago, and no node is chosen yet",
                   .next = fmt::format("Wait; `slipway why {}` again.", facts.id)});
}

void find_volumes(const ModelFacts& facts, const PodFact& pod, std::vector<Finding>& out) {
  for (const std::string& name : pod.claims) {
    const auto claim = std::ranges::find(facts.claims, name, &ClaimFact::name);
    if (claim == facts.claims.end() || claim->phase == "Bound") continue;
    Finding finding{.trouble = Trouble::volume,
                    .sentence = {},
                    .next = fmt::format("`kubectl -n {} describe pvc {}` shows the claim, `kubectl get "
                                        "storageclass` the classes.",
                                        facts.name_space, name)};
    bool waits = false;
    std::string words;
    for (const EventFact& event : claim->events) {
      waits = waits || event.reason == "WaitForFirstConsumer" || event.reason == "WaitForPodScheduled";
      if (finding.evidence.size() < 2)
        finding.evidence.push_back(fmt::format("claim {}: {}", name, said(event)));
      words += event.reason + " " + event.message + "\n";
    }
    if (claim->phase.empty())
      finding.sentence = fmt::format("there is no PersistentVolumeClaim {}", name);
    else if (claim->phase == "Lost")
      finding.sentence = fmt::format("the volume of claim {} is gone", name);
    else if (has(words, "storageclass") && has(words, "not found"))
      finding.sentence = fmt::format("claim {} names storage class \"{}\", which does not exist", name,
                                     claim->storage_class);
    else if (has(words, "ProvisioningFailed"))
      finding.sentence = fmt::format("no volume could be made for claim {}", name);
    else if (waits)
      continue;  // it waits for a node, as the replica does: the reason is there
    else if (claim->storage_class.empty())
      finding.sentence =
          fmt::format("claim {} names no storage class, there is no default, and no volume fits it", name);
    else
      finding.sentence = fmt::format("claim {} waits for a volume of class {}, and none was made", name,
                                     claim->storage_class);
    out.push_back(std::move(finding));
  }
}

}  // namespace slipway::policy
