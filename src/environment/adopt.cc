#include "environment/adopt.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cloud/inventory.h"
#include "codec/price_list.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::list, codec::text;

constexpr auto kThere = std::to_array<std::string_view>(
    {"AlreadyExists", "already exists", "AlreadyAssociated", "ResourceInUseException", "EntityAlreadyExists",
     "BucketAlreadyOwnedByYou", "InvalidLaunchTemplateName", "QueueAlreadyExists", "DuplicateRecord",
     "InvalidGroup.Duplicate", "InvalidPermission.Duplicate"});

bool says_there(std::string_view words) {
  return std::ranges::any_of(kThere, [&](auto part) { return words.find(part) != std::string_view::npos; });
}

// A type whose conflict is over one attribute: Terraform's type, the attribute, "service/type" in the
// inventory.
struct ByName {
  std::string_view type, attribute, inventory;
};
constexpr auto kNames = std::to_array<ByName>({
    {"aws_iam_role", "name", "iam/role"},
    {"aws_cloudwatch_log_group", "name", "logs/log-group"},
    {"aws_eks_cluster", "name", "eks/cluster"},
    {"aws_kms_alias", "name", "kms/alias"},
    {"aws_s3_bucket", "bucket", "s3/bucket"},
    {"aws_ecr_repository", "name", "ecr/repository"},
    {"aws_cloudwatch_event_rule", "name", "events/rule"},
    {"aws_secretsmanager_secret", "name", "secretsmanager/secret"},
    {"aws_launch_template", "name", "ec2/launch-template"},
    {"aws_security_group", "name", "ec2/security-group"},
    {"aws_sqs_queue", "name", "sqs/queue"},
    {"aws_budgets_budget", "name", "budgets/budget"},
});

// A part of something that is this environment's: its id is made of attributes.
struct ByParts {
  std::string_view type, first, between, second;
};
constexpr auto kParts = std::to_array<ByParts>({
    {"aws_eks_addon", "cluster_name", ":", "addon_name"},
    {"aws_eks_node_group", "cluster_name", ":", "node_group_name"},
    {"aws_eks_access_entry", "cluster_name", ":", "principal_arn"},
    {"aws_route", "route_table_id", "_", "destination_cidr_block"},
    {"aws_route_table_association", "subnet_id", "/", "route_table_id"},
});

Error not_ours(const std::string& type, const std::string& id) {
  return Error(ErrorCode::name_conflict,
               fmt::format("{} {} is there already and does not carry this environment's tag", type, id))
      .with_next("Give the environment another name, or remove that resource if it is nobody's.");
}

// AWS gives these an id of its own: it is asked for what is there.
Result<std::string> association_id(Session& session, const Json& planned) {
  const std::string cluster = text(planned, "cluster_name");
  SLIPWAY_TRY(const Json found, session.aws().call("eks", "list-pod-identity-associations",
                                                   {{"clusterName", cluster},
                                                    {"namespace", text(planned, "namespace")},
                                                    {"serviceAccount", text(planned, "service_account")}}));
  const auto& all = list(found, "associations");
  return all.empty() ? std::string() : fmt::format("{},{}", cluster, text(all.front(), "associationId"));
}

Result<std::string> rule_id(Session& session, const Json& planned, bool egress) {
  const std::string group = text(planned, "security_group_id");
  if (group.empty()) return std::string();
  SLIPWAY_TRY(const Json found, session.aws().call("ec2", "describe-security-group-rules",
                                                   cloud::filters("group-id", {group})));
  for (const Json& rule : list(found, "SecurityGroupRules")) {
    const bool same = codec::truth(rule, "IsEgress") == egress &&
                      text(rule, "IpProtocol") == text(planned, "ip_protocol") &&
                      text(rule, "CidrIpv4") == text(planned, "cidr_ipv4") &&
                      text(codec::field(rule, "ReferencedGroupInfo"), "GroupId") ==
                          text(planned, "referenced_security_group_id") &&
                      codec::number(rule, "FromPort", -1) == codec::number(planned, "from_port", -1) &&
                      codec::number(rule, "ToPort", -1) == codec::number(planned, "to_port", -1);
    if (same) return text(rule, "SecurityGroupRuleId");
  }
  return std::string();
}

Result<std::string> id_in_aws(Session& session, const std::string& type, const Json& planned) {
  if (type == "aws_eks_pod_identity_association") return association_id(session, planned);
  if (type == "aws_vpc_security_group_ingress_rule") return rule_id(session, planned, false);
  if (type == "aws_vpc_security_group_egress_rule") return rule_id(session, planned, true);
  return std::string();
}

// Import ids that are not what a deletion names.
Result<std::string> import_id_of(Session& session, const std::string& type, const cloud::Item& item) {
  if (type == "aws_budgets_budget") return fmt::format("{}:{}", session.identity().account, item.id);
  if (type != "aws_secretsmanager_secret") return item.id;
  SLIPWAY_TRY(const Json secret,
              session.aws().call("secretsmanager", "describe-secret", {{"SecretId", item.id}}));
  return text(secret, "ARN");
}

// What is there, looked at once.
class Finder {
 public:
  explicit Finder(Session& session) : session_(session) {}

  // Empty when the type cannot be taken over.
  Result<std::string> import_id(const std::string& type, const Json& planned) {
    const auto* row = std::ranges::find(kNames, type, &ByName::type);
    if (row == kNames.end()) {
      std::string id = id_of_parts(type, planned);
      return id.empty() ? id_in_aws(session_, type, planned) : id;
    }
    const std::string name = text(planned, row->attribute);
    if (name.empty()) return std::string();
    if (!inventory_) {
      SLIPWAY_TRY(inventory_, cloud::take_inventory(session_.aws(), session_.name(),
                                                    session_.identity().account, codec::built_in_prices()));
    }
    for (const cloud::Item& item : inventory_->items)
      if (item.service + "/" + item.type == row->inventory && (item.id == name || item.name == name))
        return import_id_of(session_, type, item);
    return not_ours(type, name);
  }

 private:
  Session& session_;
  std::optional<cloud::Inventory> inventory_;
};

}  // namespace

std::string id_of_parts(const std::string& type, const Json& planned) {
  const auto* row = std::ranges::find(kParts, type, &ByParts::type);
  if (row == kParts.end()) return {};
  const std::string first = text(planned, row->first), second = text(planned, row->second);
  return first.empty() || second.empty() ? "" : fmt::format("{}{}{}", first, row->between, second);
}

Result<bool> adopt_existing(Session& session, const cloud::Change& change) {
  std::vector<std::pair<std::string, std::string>> found;  // address, id
  Finder finder(session);
  for (const cloud::Terraform::Failure& failure : session.terraform().failures()) {
    if (!says_there(failure.words)) continue;
    const auto planned =
        std::ranges::find(change.resources, failure.address, &cloud::ResourceChange::address);
    if (planned == change.resources.end() || planned->action != "create") continue;
    SLIPWAY_TRY(const std::string id, finder.import_id(planned->type, planned->planned));
    if (!id.empty()) found.emplace_back(failure.address, id);
  }
  for (const auto& [address, id] : found)
    SLIPWAY_RETURN_IF_ERROR(session.perform({.id = "terraform/import/" + address,
                                             .title = fmt::format("take over {} ({})", address, id),
                                             .run = [&]() -> Result<Json> {
                                               SLIPWAY_RETURN_IF_ERROR(
                                                   session.terraform().import_resource(address, id));
                                               return Json{{"id", id}};
                                             }}));
  return !found.empty();
}

}  // namespace slipway::environment
