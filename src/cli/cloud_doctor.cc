#include "cli/cloud_doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "cli/cloud.h"
#include "codec/addon.h"
#include "codec/json_view.h"
#include "codec/price_list.h"
#include "environment/plan.h"
#include "environment/preflight.h"
#include "environment/session.h"

namespace slipway::cli {
namespace {

using codec::list, codec::text;

// One of each service that `up` and `down` need; a role that may do these may nearly always do the rest.
constexpr auto kActions = std::to_array<const char*>({"ec2:CreateVpc",
                                                      "ec2:CreateNatGateway",
                                                      "ec2:CreateLaunchTemplate",
                                                      "ec2:RunInstances",
                                                      "ec2:DescribeInstances",
                                                      "eks:CreateCluster",
                                                      "eks:CreateNodegroup",
                                                      "eks:CreateAddon",
                                                      "eks:CreateAccessEntry",
                                                      "eks:CreatePodIdentityAssociation",
                                                      "eks:DeleteCluster",
                                                      "iam:CreateRole",
                                                      "iam:PassRole",
                                                      "iam:DeleteRole",
                                                      "kms:CreateKey",
                                                      "kms:CreateAlias",
                                                      "kms:ScheduleKeyDeletion",
                                                      "logs:CreateLogGroup",
                                                      "logs:DeleteLogGroup",
                                                      "sqs:CreateQueue",
                                                      "events:PutRule",
                                                      "secretsmanager:CreateSecret",
                                                      "tag:GetResources",
                                                      "elasticloadbalancing:DescribeLoadBalancers",
                                                      "servicequotas:GetServiceQuota"});

Finding of_error(std::string check, const base::Error& error, Health health = Health::fail) {
  return {std::move(check), health, fmt::format("{} {}", base::code_name(error.code()), error.message()),
          std::string(error.next_step())};
}

// "arn:aws:sts::1:assumed-role/admin/me" -> the role's; others as they are.
std::string role_of(const std::string& arn) {
  const std::size_t at = arn.find(":assumed-role/");
  if (at == std::string::npos) return arn;
  std::string role = arn.substr(at + std::string(":assumed-role/").size());
  role = role.substr(0, role.find('/'));
  std::string head = arn.substr(0, at);
  if (const std::size_t sts = head.find(":sts:"); sts != std::string::npos) head.replace(sts, 5, ":iam:");
  return fmt::format("{}:role/{}", head, role);
}

class CloudExamination {
 public:
  CloudExamination(const LoadedBlueprint& loaded, const io::Paths& paths, const io::Patience& patience)
      : blueprint_(loaded.blueprint), paths_(paths), patience_(patience) {}

  std::vector<Finding> run() {
    tools();
    plan();
    if (!aws_ || !identity()) return std::move(findings_);
    permissions();
    zones();
    quotas();
    reach();
    audit_trail();
    budget_tag();
    token();
    return std::move(findings_);
  }

 private:
  void ok(std::string check, std::string message) {
    findings_.push_back({std::move(check), Health::ok, std::move(message), ""});
  }
  void add(Finding finding) { findings_.push_back(std::move(finding)); }

  void tools() {
    for (const io::ToolNeed& need : environment::tool_needs()) {
      auto tool = io::find_tool(need);
      if (!tool) {
        add(of_error(need.name, tool.error()));
        continue;
      }
      ok(need.name, fmt::format("{} {} ({} or later is needed)", tool->path, tool->version, need.minimum));
      if (need.name == "aws") aws_.emplace(*std::move(tool), blueprint_.cluster.region, patience_);
    }
  }

  void plan() {
    auto prices = prices_for(blueprint_.cluster.region);
    if (!prices) return add(of_error("prices", prices.error()));
    auto plan = environment::make_plan({.blueprint = blueprint_,
                                        .models = {},
                                        .facts = codec::built_in_eks_facts(),
                                        .prices = *prices,
                                        .addons = codec::built_in_addons(),
                                        .today = today()});
    if (!plan) return add(of_error("blueprint", plan.error()));
    ok("blueprint", fmt::format("Kubernetes {}, about {:.2f} USD a month without models",
                                plan->version.version.version, plan->bill.usd_month));
    plan_ = *std::move(plan);
  }

  bool identity() {
    const auto who = aws_->identity();
    if (!who) {
      add(of_error("identity", who.error()));
      return false;
    }
    identity_ = *who;
    ok("identity", fmt::format("{} in account {}; AWS took a signed call, so the clock is right", who->arn,
                               who->account));
    const auto where = environment::workspace_of(paths_, blueprint_.name);
    if (!where || !environment::known(*where)) return true;
    const auto journal = environment::Journal::open_read_only(where->journal);
    if (!journal) {
      add(of_error("state", journal.error()));
      return true;
    }
    const auto owner = journal->ownership();
    if (owner && *owner && (*owner)->life != "gone" && (*owner)->account != who->account)
      add({"account", Health::fail,
           fmt::format("environment {} is in account {}", blueprint_.name, (*owner)->account),
           fmt::format("Use credentials of account {} (AWS_PROFILE).", (*owner)->account)});
    return true;
  }

  void permissions() {
    codec::Json actions = codec::Json::array();
    for (const char* action : kActions) actions.push_back(action);
    const auto answer = aws_->call("iam", "simulate-principal-policy",
                                   {{"PolicySourceArn", role_of(identity_.arn)}, {"ActionNames", actions}});
    if (!answer)
      return add({"permissions", Health::warn,
                  fmt::format("they cannot be simulated: {}", answer.error().message()),
                  "Allow iam:SimulatePrincipalPolicy, or go on: `slipway up` names what is missing."});
    std::string denied;
    for (const codec::Json& result : list(*answer, "EvaluationResults"))
      if (text(result, "EvalDecision") != "allowed")
        denied += fmt::format("{}{}", denied.empty() ? "" : ", ", text(result, "EvalActionName"));
    if (!denied.empty())
      return add({"permissions", Health::fail, fmt::format("this role may not: {}", denied),
                  "Give the role these actions."});
    ok("permissions", fmt::format("{} actions that up and down need are allowed", kActions.size()));
  }

  void zones() {
    const auto usable = environment::usable_zones(*aws_);
    if (!usable) return add(of_error("zones", usable.error()));
    if (*usable < blueprint_.cluster.zones)
      return add({"zones", Health::fail,
                  fmt::format("{} has {} zones for EKS, {} are asked for", blueprint_.cluster.region, *usable,
                              blueprint_.cluster.zones),
                  fmt::format("Set availability_zones_count = {}.", *usable)});
    ok("zones", fmt::format("{} has {} zones for EKS, {} are asked for", blueprint_.cluster.region, *usable,
                            blueprint_.cluster.zones));
  }

  void quotas() {
    if (!plan_) return;
    std::vector<policy::QuotaNeed> needs = plan_->quotas;
    const auto unasked = environment::read_quotas(*aws_, needs);
    if (!unasked) return add(of_error("quotas", unasked.error()));
    int enough = 0;
    for (const policy::QuotaNeed& need : needs) {
      if (!need.limit) continue;
      if (!need.short_of()) {
        ++enough;
        continue;
      }
      add({"quota " + need.code, Health::fail,
           fmt::format("{}: {:.0f} needed, {:.0f} granted", need.name, need.need, *need.limit),
           policy::request_command(need, blueprint_.cluster.region)});
    }
    ok("quotas", fmt::format("{} of {} are large enough", enough, needs.size()));
    for (const std::string& name : *unasked)
      add({"quotas", Health::warn, fmt::format("\"{}\" could not be read", name),
           "Allow servicequotas:GetServiceQuota."});
  }

  void reach() {
    const auto reach = environment::reach_of(blueprint_.cluster, patience_);
    if (!reach) return add(of_error("reach", reach.error()));
    if (reach->certain) return ok("reach", reach->why);
    add({"reach", Health::fail, reach->why,
         "Run `slipway up` with --allow-my-ip, or with --reachable inside the VPC's network."});
  }

  void audit_trail() {
    const auto trails = aws_->call("cloudtrail", "describe-trails");
    if (!trails) return add(of_error("audit trail", trails.error(), Health::warn));
    if (list(*trails, "trailList").empty())
      return add({"audit trail", Health::warn, "no CloudTrail trail records this account's calls",
                  "aws cloudtrail create-trail, or ask who owns the organisation's trail."});
    ok("audit trail", text(list(*trails, "trailList").front(), "Name"));
  }

  // A budget that filters by a tag counts nothing until the payer activated the tag.
  void budget_tag() {
    if (!blueprint_.cluster.monthly_budget_usd) return;
    const auto tags = aws_->call("ce", "list-cost-allocation-tags",
                                 {{"Status", "Active"}, {"TagKeys", {"slipway.dev/environment"}}});
    if (tags && !list(*tags, "CostAllocationTags").empty())
      return ok("budget tag", "slipway.dev/environment is an active cost allocation tag");
    add({"budget tag", Health::warn,
         "slipway.dev/environment is no active cost allocation tag: the budget counts nothing yet",
         "In the payer account: aws ce update-cost-allocation-tags-status --cost-allocation-tags-status "
         "TagKey=slipway.dev/environment,Status=Active"});
  }

  void token() {
    const std::string name = fmt::format("slipway/{}/huggingface-token", blueprint_.name);
    const auto secret = aws_->find("secretsmanager", "describe-secret", {{"SecretId", name}});
    if (!secret) return add(of_error("token", secret.error(), Health::warn));
    if (!*secret) return ok("token", "its secret is made by `slipway up`, empty");
    if (!codec::field(**secret, "VersionIdsToStages").empty())
      return ok("token", fmt::format("{} has a value", name));
    add({"token", Health::warn, fmt::format("{} is empty: gated models cannot be fetched", name),
         fmt::format("slipway --environment {} secret set hf-token", blueprint_.name)});
  }

  const domain::Blueprint& blueprint_;
  const io::Paths& paths_;
  const io::Patience& patience_;
  std::optional<cloud::Aws> aws_;
  cloud::Identity identity_;
  std::optional<environment::Plan> plan_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> examine_cloud(const LoadedBlueprint& loaded, const io::Paths& paths,
                                   const io::Patience& patience) {
  return CloudExamination(loaded, paths, patience).run();
}

}  // namespace slipway::cli
