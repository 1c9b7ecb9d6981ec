// The parts of policy/cause, by the step at which a replica stands; each appends what it finds. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/cause.h"

namespace slipway::policy {

// Before a pod exists: what its owner was refused.
void find_refusals(const domain::ModelFacts& facts, std::vector<Finding>& out);
// A pod without a node: the scheduler, the nodes, claims of volumes and of machines.
void find_unscheduled(const domain::ModelFacts& facts, const domain::PodFact& pod, std::vector<Finding>& out);
// A pod with a node.
void find_stopped(const domain::ModelFacts& facts, const domain::PodFact& pod, std::vector<Finding>& out);
// A volume that is not there; says nothing when every claim is bound.
void find_volumes(const domain::ModelFacts& facts, const domain::PodFact& pod, std::vector<Finding>& out);

// Machines that Karpenter asks the cloud for; true when one is on its way that nothing holds up.
bool find_node_claims(const domain::ModelFacts& facts, const domain::PodFact& pod, std::vector<Finding>& out);
// Karpenter's own words on the pod.
void find_pool_refusals(const domain::PodFact& pod, std::vector<Finding>& out);

// What an engine's last words mean, if they mean something.
struct LogSign {
  Trouble trouble = Trouble::crash_loop;
  std::string what = {};  // "the device ran out of memory"
  std::string line = {};  // that says it
};
std::optional<LogSign> sign_in(const std::vector<std::string>& lines);

// Words of a fact, bounded.
std::string said(const domain::EventFact& event);
std::string said(const domain::ConditionFact& condition);
std::string shortened(std::string_view text);
// The last `n` lines, each "log: ...".
void add_log(const std::vector<std::string>& lines, std::size_t n, std::vector<std::string>& evidence);

// Without regard to case.
bool has(std::string_view text, std::string_view part);
// The text between `before` and the next `after`; empty where there is none.
std::string between(std::string_view text, std::string_view before, std::string_view after);

}  // namespace slipway::policy
