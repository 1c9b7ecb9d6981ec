// What somebody refuses: the API takes no pod, EC2 gives Karpenter no machine, a claim gets no volume.
#include <fmt/format.h>

#include <algorithm>

#include "policy/cause_parts.h"

namespace slipway::policy {
namespace {

using domain::ClaimFact, domain::ConditionFact, domain::EventFact, domain::ModelFacts, domain::NodeClaimFact,
    domain::OwnerFact, domain::PodFact;

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
      .sentence =
          name.empty()
              ? "a quota of the namespace refuses the replica"
              : fmt::format(
                    "quota {} of namespace {} is used up: the replica asks for {}; in use {}, limit {}", name,
                    facts.name_space, wants, used, limit),
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

// Karpenter says on the pod for which claim it waits: "Pod should schedule on: nodeclaim/gpu-x7f2q".
bool nominated(const PodFact& pod, const NodeClaimFact& claim) {
  return std::ranges::any_of(pod.events, [&](const EventFact& event) {
    return event.reason == "Nominated" && event.message.find(claim.name) != std::string::npos;
  });
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

bool find_node_claims(const ModelFacts& facts, const PodFact& pod, std::vector<Finding>& out) {
  bool coming = false;
  for (const NodeClaimFact& claim : facts.node_claims) {
    if (claim.ready || !may_be_for(claim, pod)) continue;
    if (claim.gone && !nominated(pod, claim)) continue;
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
      coming = coming || (!claim.gone && nominated(pod, claim));
      continue;
    }
    Finding finding = of_cloud(*trouble, who, text);
    finding.evidence = std::move(lines);
    out.push_back(std::move(finding));
  }
  return coming;
}

void find_pool_refusals(const PodFact& pod, std::vector<Finding>& out) {
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
