#include "policy/cause.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "policy/cause_parts.h"

namespace slipway::policy {
namespace {

using domain::ConditionFact, domain::ModelFacts, domain::OwnerFact, domain::PodFact;

constexpr std::size_t kEvents = 5;  // of a cause that is not known

bool failed(const ConditionFact& condition) {
  const bool bad_when_true = condition.type == "ReplicaFailure" || condition.type == "Failed";
  return bad_when_true ? condition.status == "True" : condition.status == "False";
}

int ready_count(const ModelFacts& facts) {
  return static_cast<int>(
      std::ranges::count_if(facts.pods, [](const PodFact& p) { return p.ready && !p.leaving; }));
}

Finding well(const ModelFacts& facts, int ready) {
  return {.trouble = Trouble::ready,
          .sentence = fmt::format("{} of {} ready; nothing is wrong", ready,
                                  facts.wanted > ready ? facts.wanted : ready)};
}

// Nothing that is known explains it: what was seen, in full.
Finding unknown(const PodFact& pod) {
  Finding out{.trouble = Trouble::not_known,
              .sentence = "it is not ready, and nothing that could be seen says why",
              .replicas = {pod.name},
              .next = fmt::format("`slipway logs {}` shows what it said.", pod.name)};
  out.evidence.push_back(fmt::format("phase {}{}", pod.phase.empty() ? "unknown" : pod.phase,
                                     pod.node.empty() ? "" : ", node " + pod.node));
  for (const ConditionFact& condition : pod.conditions)
    if (condition.status != "True") out.evidence.push_back(said(condition));
  for (const domain::EventFact& event : pod.events) {
    if (out.evidence.size() >= kEvents) break;
    out.evidence.push_back(said(event));
  }
  for (const domain::ContainerFact& container : pod.containers) add_log(container.log, 3, out.evidence);
  return out;
}

void find_of_pod(const ModelFacts& facts, const PodFact& pod, std::vector<Finding>& out) {
  std::vector<Finding> found;
  if (pod.leaving)
    found.push_back({.trouble = Trouble::leaving, .sentence = "it ends: what runs may finish"});
  else if (pod.node.empty() && facts.on_cluster())
    find_unscheduled(facts, pod, found);
  else
    find_stopped(facts, pod, found);
  if (found.empty()) found.push_back(unknown(pod));
  for (Finding& finding : found) {
    finding.replicas = {pod.name};
    out.push_back(std::move(finding));
  }
}

// The same cause of several replicas is told once, with the evidence of the first.
std::vector<Finding> merged(std::vector<Finding> all) {
  std::vector<Finding> out;
  for (Finding& finding : all) {
    const auto same = std::ranges::find_if(out, [&](const Finding& o) {
      return o.trouble == finding.trouble && o.sentence == finding.sentence;
    });
    if (same == out.end()) {
      out.push_back(std::move(finding));
      continue;
    }
    for (std::string& name : finding.replicas)
      if (std::ranges::find(same->replicas, name) == same->replicas.end())
        same->replicas.push_back(std::move(name));
  }
  return out;
}

std::vector<Finding> ordered(std::vector<Finding> all) {
  std::vector<std::size_t> places(all.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  std::ranges::sort(places, {}, [&](std::size_t i) { return std::pair(all[i].trouble, i); });
  std::vector<Finding> out;
  for (const std::size_t place : places) out.push_back(std::move(all[place]));
  return out;
}

Finding nothing_there(const ModelFacts& facts) {
  if (facts.wanted == 0)
    return {.trouble = Trouble::scaled_to_zero,
            .sentence = "no replica is wanted: it was scaled to zero",
            .next = fmt::format("`slipway deploy FILE --replicas 1` starts one of {}.", facts.id)};
  Finding out{
      .trouble = Trouble::not_known,
      .sentence = "no replica was made yet, and nothing that could be seen says why",
      .next = facts.on_cluster()
                  ? fmt::format("`kubectl -n {} get events --sort-by=.lastTimestamp` shows what happens.",
                                facts.name_space)
                  : fmt::format("`slipway logs {}` shows what happens.", facts.id)};
  for (const OwnerFact& owner : facts.owners) {
    for (const ConditionFact& condition : owner.conditions)
      if (failed(condition)) out.evidence.push_back(fmt::format("{}: {}", owner.kind, said(condition)));
    for (const domain::EventFact& event : owner.events)
      if (out.evidence.size() < kEvents)
        out.evidence.push_back(fmt::format("{}: {}", owner.kind, said(event)));
  }
  return out;
}

}  // namespace

std::string_view to_string(Trouble trouble) {
  switch (trouble) {
    case Trouble::refused:
      return "refused";
    case Trouble::quota:
      return "quota";
    case Trouble::capacity:
      return "capacity";
    case Trouble::volume:
      return "volume_pending";
    case Trouble::topology:
      return "topology";
    case Trouble::no_node_fits:
      return "no_node_fits";
    case Trouble::taint:
      return "taint";
    case Trouble::missing_secret:
      return "missing_secret";
    case Trouble::missing_config:
      return "missing_config";
    case Trouble::image_pull:
      return "image_pull";
    case Trouble::gated_model:
      return "gated_model";
    case Trouble::out_of_memory:
      return "out_of_memory";
    case Trouble::evicted:
      return "evicted";
    case Trouble::node_lost:
      return "node_lost";
    case Trouble::crash_loop:
      return "crash_loop";
    case Trouble::cannot_start:
      return "cannot_start";
    case Trouble::no_progress:
      return "no_progress";
    case Trouble::slow_start:
      return "slow_start";
    case Trouble::not_ready:
      return "not_ready";
    case Trouble::starting:
      return "starting";
    case Trouble::leaving:
      return "leaving";
    case Trouble::scaled_to_zero:
      return "scaled_to_zero";
    case Trouble::not_known:
      return "not_known";
    case Trouble::ready:
      return "ready";
  }
  return "not_known";
}

std::vector<Finding> causes(const ModelFacts& facts) {
  const int ready = ready_count(facts);
  std::vector<Finding> found;
  find_refusals(facts, found);
  for (const PodFact& pod : facts.pods)
    if (!pod.ready || pod.leaving) find_of_pod(facts, pod, found);
  const bool only_leaving =
      std::ranges::all_of(found, [](const Finding& f) { return f.trouble == Trouble::leaving; });
  if (ready > 0 && ready >= facts.wanted && only_leaving) found.push_back(well(facts, ready));
  if (found.empty() && facts.pods.empty()) found.push_back(nothing_there(facts));
  if (found.empty())
    found.push_back(
        {.trouble = Trouble::starting,
         .sentence = fmt::format("{} of {} replicas exist; the others are being made", ready, facts.wanted),
         .next = fmt::format("`slipway status` shows them as they come.")});
  return ordered(merged(std::move(found)));
}

}  // namespace slipway::policy
