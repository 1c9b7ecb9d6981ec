#include "cloud/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cloud/aws_error.h"

namespace slipway::cloud {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::list, codec::text;

constexpr auto kFirstPause = std::chrono::seconds(5);
constexpr auto kLongestPause = std::chrono::seconds(30);
constexpr int kKeyDays = 7;  // the shortest that KMS takes
constexpr std::size_t kObjectsAtOnce = 500;

// In the order of deletion.
constexpr auto kOrder = std::to_array<std::string_view>({
    "elasticloadbalancing/load-balancer",
    "elasticloadbalancing/classic",
    "elasticloadbalancing/target-group",
    "eks/node-group",
    "ec2/instance",
    "eks/cluster",
    "ec2/nat-gateway",
    "ec2/vpc-endpoint",
    "ec2/flow-log",
    "ec2/network-interface",
    "ec2/volume",
    "ec2/snapshot",
    "ec2/elastic-ip",
    "ec2/security-group",
    "ec2/subnet",
    "ec2/route-table",
    "ec2/internet-gateway",
    "ec2/vpc",
    "ec2/launch-template",
    "events/rule",
    "sqs/queue",
    "secretsmanager/secret",
    "ecr/repository",
    "iam/instance-profile",
    "iam/role",
    "logs/log-group",
    "budgets/budget",
    "s3/bucket",
    "kms/alias",
    "kms/key",
});

// Deletions that are one call: {key}'s place in the input.
struct Plain {
  std::string_view kind, service, operation, key;
};
constexpr auto kPlain = std::to_array<Plain>({
    {"elasticloadbalancing/load-balancer", "elbv2", "delete-load-balancer", "LoadBalancerArn"},
    {"elasticloadbalancing/classic", "elb", "delete-load-balancer", "LoadBalancerName"},
    {"elasticloadbalancing/target-group", "elbv2", "delete-target-group", "TargetGroupArn"},
    {"eks/cluster", "eks", "delete-cluster", "name"},
    {"ec2/nat-gateway", "ec2", "delete-nat-gateway", "NatGatewayId"},
    {"ec2/volume", "ec2", "delete-volume", "VolumeId"},
    {"ec2/snapshot", "ec2", "delete-snapshot", "SnapshotId"},
    {"ec2/elastic-ip", "ec2", "release-address", "AllocationId"},
    {"ec2/subnet", "ec2", "delete-subnet", "SubnetId"},
    {"ec2/vpc", "ec2", "delete-vpc", "VpcId"},
    {"ec2/launch-template", "ec2", "delete-launch-template", "LaunchTemplateId"},
    {"sqs/queue", "sqs", "delete-queue", "QueueUrl"},
    {"logs/log-group", "logs", "delete-log-group", "logGroupName"},
    {"kms/alias", "kms", "delete-alias", "AliasName"},
});

Result<void> delete_interface(Aws& aws, const Item& item) {
  SLIPWAY_TRY(const auto found,
              aws.find("ec2", "describe-network-interfaces", {{"NetworkInterfaceIds", {item.id}}}));
  if (!found || list(*found, "NetworkInterfaces").empty()) return {};
  const Json& interface = list(*found, "NetworkInterfaces").front();
  // One of a load balancer or a gateway goes with it; AWS refuses to detach it.
  if (codec::truth(interface, "RequesterManaged") && text(interface, "Status") == "in-use") return {};
  const Json& attachment = codec::field(interface, "Attachment");
  if (const std::string id = text(attachment, "AttachmentId");
      !id.empty() && text(attachment, "InstanceOwnerId").find("amazon") == std::string::npos)
    SLIPWAY_RETURN_IF_ERROR(
        aws.erase("ec2", "detach-network-interface", {{"AttachmentId", id}, {"Force", true}}));
  return aws.erase("ec2", "delete-network-interface", {{"NetworkInterfaceId", item.id}});
}

// The rule directions of a group: its own list, the filter by a group that a rule names, the deletion.
struct Direction {
  const char *list, *filter, *revoke;
};
constexpr auto kDirections = std::to_array<Direction>(
    {{"IpPermissions", "ip-permission.group-id", "revoke-security-group-ingress"},
     {"IpPermissionsEgress", "egress.ip-permission.group-id", "revoke-security-group-egress"}});

// Of rules, what names the group and nothing else.
Json that_name(const Json& rules, const std::string& group) {
  Json out = Json::array();
  for (const Json& rule : rules) {
    Json pairs = Json::array();
    for (const Json& pair : list(rule, "UserIdGroupPairs"))
      if (text(pair, "GroupId") == group) pairs.push_back({{"GroupId", group}});
    if (pairs.empty()) continue;
    Json part{{"IpProtocol", codec::field(rule, "IpProtocol")}, {"UserIdGroupPairs", pairs}};
    for (const char* port : {"FromPort", "ToPort"})
      if (rule.contains(port)) part[port] = rule[port];
    out.push_back(std::move(part));
  }
  return out;
}

// A group is kept by every rule that names it: the load balancer controller writes some into the nodes'
// group.
Result<void> delete_group(Aws& aws, const Item& item) {
  SLIPWAY_TRY(const auto found, aws.find("ec2", "describe-security-groups", {{"GroupIds", {item.id}}}));
  if (!found) return {};
  const auto revoke = [&](const Direction& way, const std::string& group, const Json& rules) -> Result<void> {
    if (rules.empty()) return {};
    return aws.erase("ec2", way.revoke, {{"GroupId", group}, {"IpPermissions", rules}});
  };
  for (const Direction& way : kDirections) {
    for (const Json& group : list(*found, "SecurityGroups"))
      SLIPWAY_RETURN_IF_ERROR(revoke(way, item.id, list(group, way.list)));
    SLIPWAY_TRY(const Json others,
                aws.call("ec2", "describe-security-groups", filters(way.filter, {item.id})));
    for (const Json& group : list(others, "SecurityGroups"))
      if (const std::string other = text(group, "GroupId"); other != item.id)
        SLIPWAY_RETURN_IF_ERROR(revoke(way, other, that_name(list(group, way.list), item.id)));
  }
  return aws.erase("ec2", "delete-security-group", {{"GroupId", item.id}});
}

Result<void> delete_table(Aws& aws, const Item& item) {
  SLIPWAY_TRY(const auto found, aws.find("ec2", "describe-route-tables", {{"RouteTableIds", {item.id}}}));
  if (!found) return {};
  for (const Json& table : list(*found, "RouteTables"))
    for (const Json& a : list(table, "Associations"))
      SLIPWAY_RETURN_IF_ERROR(aws.erase("ec2", "disassociate-route-table",
                                        {{"AssociationId", text(a, "RouteTableAssociationId")}}));
  return aws.erase("ec2", "delete-route-table", {{"RouteTableId", item.id}});
}

Result<void> delete_role(Aws& aws, const Item& item) {
  const Json role{{"RoleName", item.id}};
  SLIPWAY_TRY(const auto attached, aws.find("iam", "list-attached-role-policies", role));
  if (!attached) return {};
  for (const Json& p : list(*attached, "AttachedPolicies"))
    SLIPWAY_RETURN_IF_ERROR(
        aws.erase("iam", "detach-role-policy", {{"RoleName", item.id}, {"PolicyArn", text(p, "PolicyArn")}}));
  SLIPWAY_TRY(const Json inlined, aws.call("iam", "list-role-policies", role));
  for (const Json& p : list(inlined, "PolicyNames"))
    SLIPWAY_RETURN_IF_ERROR(
        aws.erase("iam", "delete-role-policy", {{"RoleName", item.id}, {"PolicyName", p}}));
  return aws.erase("iam", "delete-role", role);
}

Result<void> delete_profile(Aws& aws, const Item& item) {
  const Json profile{{"InstanceProfileName", item.id}};
  SLIPWAY_TRY(const auto found, aws.find("iam", "get-instance-profile", profile));
  if (!found) return {};
  for (const Json& role : list(codec::field(*found, "InstanceProfile"), "Roles"))
    SLIPWAY_RETURN_IF_ERROR(
        aws.erase("iam", "remove-role-from-instance-profile",
                  {{"InstanceProfileName", item.id}, {"RoleName", text(role, "RoleName")}}));
  return aws.erase("iam", "delete-instance-profile", profile);
}

Result<void> delete_rule(Aws& aws, const Item& item) {
  SLIPWAY_TRY(const auto targets, aws.find("events", "list-targets-by-rule", {{"Rule", item.id}}));
  if (!targets) return {};
  Json ids = Json::array();
  for (const Json& t : list(*targets, "Targets")) ids.push_back(text(t, "Id"));
  if (!ids.empty())
    SLIPWAY_RETURN_IF_ERROR(aws.erase("events", "remove-targets", {{"Rule", item.id}, {"Ids", ids}}));
  return aws.erase("events", "delete-rule", {{"Name", item.id}});
}

Result<void> delete_gateway(Aws& aws, const Item& item) {
  if (!item.part_of.empty())
    SLIPWAY_RETURN_IF_ERROR(aws.erase("ec2", "detach-internet-gateway",
                                      {{"InternetGatewayId", item.id}, {"VpcId", item.part_of}}));
  return aws.erase("ec2", "delete-internet-gateway", {{"InternetGatewayId", item.id}});
}

}  // namespace

int sweep_rank(const Item& item) {
  const auto found = std::ranges::find(kOrder, item.service + "/" + item.type);
  return found == kOrder.end() ? -1 : static_cast<int>(found - kOrder.begin());
}

std::vector<Item> sweep_order(const std::vector<Item>& items) {
  std::vector<Item> out;
  std::ranges::copy_if(items, std::back_inserter(out), [](const Item& i) { return sweep_rank(i) >= 0; });
  std::ranges::sort(out, {}, [](const Item& i) { return std::pair(sweep_rank(i), i.key()); });
  return out;
}

Result<void> delete_bucket(Aws& aws, const std::string& bucket, const std::string& account) {
  const Json which{{"Bucket", bucket}, {"ExpectedBucketOwner", account}};
  while (true) {
    Json ask = which;
    ask["MaxKeys"] = kObjectsAtOnce;
    SLIPWAY_TRY(const auto found, aws.find("s3api", "list-object-versions", ask));
    if (!found) return {};
    Json objects = Json::array();
    for (const char* key : {"Versions", "DeleteMarkers"})
      for (const Json& v : list(*found, key))
        if (objects.size() < kObjectsAtOnce)
          objects.push_back({{"Key", text(v, "Key")}, {"VersionId", text(v, "VersionId")}});
    if (objects.empty()) break;
    Json erase = which;
    erase["Delete"] = {{"Objects", objects}, {"Quiet", true}};
    SLIPWAY_RETURN_IF_ERROR(aws.erase("s3api", "delete-objects", erase));
  }
  return aws.erase("s3api", "delete-bucket", which);
}

Result<void> delete_item(Aws& aws, const Item& item, const std::string& account) {
  const std::string kind = item.service + "/" + item.type;
  if (const auto plain = std::ranges::find(kPlain, kind, &Plain::kind); plain != kPlain.end())
    return aws.erase(std::string(plain->service), std::string(plain->operation),
                     {{std::string(plain->key), item.id}});
  if (kind == "ec2/network-interface") return delete_interface(aws, item);
  if (kind == "ec2/security-group") return delete_group(aws, item);
  if (kind == "ec2/route-table") return delete_table(aws, item);
  if (kind == "ec2/internet-gateway") return delete_gateway(aws, item);
  if (kind == "ec2/instance") return aws.erase("ec2", "terminate-instances", {{"InstanceIds", {item.id}}});
  if (kind == "ec2/vpc-endpoint")
    return aws.erase("ec2", "delete-vpc-endpoints", {{"VpcEndpointIds", {item.id}}});
  if (kind == "ec2/flow-log") return aws.erase("ec2", "delete-flow-logs", {{"FlowLogIds", {item.id}}});
  if (kind == "eks/node-group")
    return aws.erase("eks", "delete-nodegroup", {{"clusterName", item.part_of}, {"nodegroupName", item.id}});
  if (kind == "secretsmanager/secret")
    return aws.erase("secretsmanager", "delete-secret",
                     {{"SecretId", item.id}, {"ForceDeleteWithoutRecovery", true}});
  if (kind == "ecr/repository")
    return aws.erase("ecr", "delete-repository", {{"repositoryName", item.id}, {"force", true}});
  if (kind == "budgets/budget")
    return aws.erase("budgets", "delete-budget", {{"AccountId", account}, {"BudgetName", item.id}});
  if (kind == "kms/key")
    return aws.erase("kms", "schedule-key-deletion", {{"KeyId", item.id}, {"PendingWindowInDays", kKeyDays}});
  if (kind == "s3/bucket") return delete_bucket(aws, item.id, account);
  if (kind == "iam/role") return delete_role(aws, item);
  if (kind == "iam/instance-profile") return delete_profile(aws, item);
  if (kind == "events/rule") return delete_rule(aws, item);
  return Error(ErrorCode::internal, fmt::format("no deletion is known for {}", kind));
}

Result<Inventory> sweep(Aws& aws, const SweepInput& input, const Around& around) {
  base::Duration pause = kFirstPause;
  for (int round = 1;; ++round) {
    SLIPWAY_TRY(Inventory left,
                take_inventory(aws, input.environment, input.account, input.prices, input.keys));
    std::vector<Item> doomed = sweep_order(left.items);
    if (input.keep) std::erase_if(doomed, input.keep);
    if (doomed.empty() || round > input.rounds) return left;
    for (const Item& item : doomed) {
      // What ends by itself is only waited for.
      if (item.state == "shutting-down" || item.state == "deleting" || item.state == "DELETING") continue;
      const Result<void> done = around(item, [&] { return delete_item(aws, item, input.account); });
      if (!done && !in_use(done.error())) return done.error();
    }
    aws.patience().tell(fmt::format("{} thing{} to be gone", doomed.size(), doomed.size() == 1 ? "" : "s"),
                        pause * (round - 1));
    SLIPWAY_RETURN_IF_ERROR(aws.patience().pause(pause));
    pause = std::min<base::Duration>(pause * 2, kLongestPause);
  }
}

}  // namespace slipway::cloud
