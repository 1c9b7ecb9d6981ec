// EC2's things and load balancers: by tag where they can be anywhere, by VPC where they lie in ours.
#include <fmt/format.h>

#include "cloud/inventory_taker.h"

namespace slipway::cloud {

using base::Result;
using codec::list, codec::number, codec::text;

namespace {

// The load balancer controller names its groups k8s-...; an interface without a machine is one that the
// network plugin or a balancer left behind.
bool made_in_cluster(const std::string& type, const std::string& state, const Json& one) {
  if (type == "network-interface") return state == "available";
  return type == "security-group" &&
         (text(one, "GroupName").starts_with("k8s-") || tags_of(one).contains("elbv2.k8s.aws/cluster"));
}

}  // namespace

Json Taker::by_tag() const {
  return filters("tag-key", {kEnvironmentTag, "kubernetes.io/cluster/" + name(), "aws:eks:cluster-name",
                             "eks:cluster-name", "elbv2.k8s.aws/cluster"});
}

Result<Json> Taker::ec2(const std::string& operation, const std::string& key, const Json& input) {
  SLIPWAY_TRY(const Json answer, aws_.call("ec2", operation, input));
  return list(answer, key);
}

Result<void> Taker::vpcs() {
  SLIPWAY_TRY(const Json found,
              ec2("describe-vpcs", "Vpcs", filters("tag:" + std::string(kEnvironmentTag), {name()})));
  for (const Json& v : found) {
    const std::string id = text(v, "VpcId");
    add({.service = "ec2", .type = "vpc", .id = id, .name = id});
    vpcs_.push_back(id);
  }
  return {};
}

Result<void> Taker::instances(const Json& filter) {
  SLIPWAY_TRY(const Json reservations, ec2("describe-instances", "Reservations", filter));
  for (const Json& r : reservations)
    for (const Json& i : list(r, "Instances")) {
      const std::string state = text(codec::field(i, "State"), "Name"), id = text(i, "InstanceId");
      if (state == "terminated" || (!in_our_vpc(text(i, "VpcId")) && !ours(i))) continue;
      const std::string type = text(i, "InstanceType");
      const domain::InstanceType* known = prices_.instance(type);
      const bool paid = known && known->usd_per_hour && state == "running";
      const auto tags = tags_of(i);
      const auto node_group = tags.find("eks:nodegroup-name");
      add({.service = "ec2",
           .type = "instance",
           .id = id,
           .name = fmt::format("{} ({})", id, type),
           .state = state,
           .usd_month = paid ? *known->usd_per_hour * prices_.hours_per_month : 0,
           .part_of = node_group == tags.end() ? "" : node_group->second,
           .by_controller = node_group == tags.end()});
    }
  return {};
}

// What lies in our VPC is ours, whatever its tags.
std::vector<Task> Taker::network() {
  // A VPC cannot go before its instances; without one they are looked for by tag.
  if (vpcs_.empty()) return {part([this] { return instances(by_tag()); })};
  std::vector<Task> out = {part([this] { return instances(filters("vpc-id", vpcs_)); })};
  struct Kind {
    const char *operation, *key, *type, *id, *filter, *state;
  };
  static constexpr Kind kKinds[] = {
      {"describe-subnets", "Subnets", "subnet", "SubnetId", "vpc-id", ""},
      {"describe-nat-gateways", "NatGateways", "nat-gateway", "NatGatewayId", "vpc-id", "State"},
      {"describe-internet-gateways", "InternetGateways", "internet-gateway", "InternetGatewayId",
       "attachment.vpc-id", ""},
      {"describe-vpc-endpoints", "VpcEndpoints", "vpc-endpoint", "VpcEndpointId", "vpc-id", "State"},
      {"describe-network-interfaces", "NetworkInterfaces", "network-interface", "NetworkInterfaceId",
       "vpc-id", "Status"},
      {"describe-route-tables", "RouteTables", "route-table", "RouteTableId", "vpc-id", ""},
      {"describe-security-groups", "SecurityGroups", "security-group", "GroupId", "vpc-id", ""},
      {"describe-flow-logs", "FlowLogs", "flow-log", "FlowLogId", "resource-id", ""}};
  for (const Kind& kind : kKinds)
    out.push_back(part([this, &kind]() -> Result<void> {
      // Two operations name their filters in the singular.
      Json ask = filters(kind.filter, vpcs_);
      if (std::string_view(kind.type) == "nat-gateway" || std::string_view(kind.type) == "flow-log")
        ask = {{"Filter", ask["Filters"]}};
      SLIPWAY_TRY(const Json found, ec2(kind.operation, kind.key, ask));
      for (const Json& one : found)
        network_part(kind.type, text(one, kind.id), *kind.state ? text(one, kind.state) : "", one);
      return {};
    }));
  return out;
}

void Taker::network_part(const std::string& type, const std::string& id, const std::string& state,
                         const Json& one) {
  if (state == "deleted" || state == "Deleted" || state == "failed") return;
  if (type == "security-group" && text(one, "GroupName") == "default") return;
  if (type == "route-table")
    for (const Json& a : list(one, "Associations"))
      if (codec::truth(a, "Main")) return;
  double usd = 0;
  if (type == "nat-gateway") usd = unit("nat-gateway");
  if (type == "vpc-endpoint" && text(one, "VpcEndpointType") == "Interface")
    usd = unit("interface-endpoint") * static_cast<double>(list(one, "SubnetIds").size());
  const std::string about = text(one, "Description");
  add({.service = "ec2",
       .type = type,
       .id = id,
       .name = type == "security-group" ? text(one, "GroupName")
               : about.empty()          ? id
                                        : fmt::format("{} ({})", id, about),
       .state = state,
       .usd_month = usd,
       .part_of = type == "internet-gateway" ? vpcs_.front() : text(one, "VpcId"),
       .by_controller = made_in_cluster(type, state, one)});
}

Result<void> Taker::volumes() {
  SLIPWAY_TRY(const Json found, ec2("describe-volumes", "Volumes", by_tag()));
  for (const Json& v : found)
    if (ours(v))
      add({.service = "ec2",
           .type = "volume",
           .id = text(v, "VolumeId"),
           .name = fmt::format("{} ({} GiB)", text(v, "VolumeId"), text(v, "Size")),
           .state = text(v, "State"),
           .usd_month = number(v, "Size") * unit("ebs-gp3"),
           .by_controller = true});
  return {};
}

Result<void> Taker::snapshots() {
  Json ask = by_tag();
  ask["OwnerIds"] = {"self"};
  SLIPWAY_TRY(const Json found, ec2("describe-snapshots", "Snapshots", ask));
  for (const Json& s : found)
    if (ours(s))
      add({.service = "ec2",
           .type = "snapshot",
           .id = text(s, "SnapshotId"),
           .state = text(s, "State"),
           .usd_month = number(s, "VolumeSize") * unit("ebs-snapshot")});
  return {};
}

Result<void> Taker::addresses() {
  SLIPWAY_TRY(const Json found, ec2("describe-addresses", "Addresses", by_tag()));
  for (const Json& a : found)
    if (ours(a))
      add({.service = "ec2",
           .type = "elastic-ip",
           .id = text(a, "AllocationId"),
           .name = text(a, "PublicIp"),
           .usd_month = unit("public-ipv4")});
  return {};
}

Result<void> Taker::templates() {
  SLIPWAY_TRY(const Json found, ec2("describe-launch-templates", "LaunchTemplates", by_tag()));
  for (const Json& t : found)
    if (ours(t))
      add({.service = "ec2",
           .type = "launch-template",
           .id = text(t, "LaunchTemplateId"),
           .name = text(t, "LaunchTemplateName")});
  return {};
}

Result<void> Taker::balancers() {
  SLIPWAY_TRY(const Json answer, aws_.call("elbv2", "describe-load-balancers"));
  for (const Json& lb : list(answer, "LoadBalancers"))
    if (in_our_vpc(text(lb, "VpcId")) || arns_.contains(text(lb, "LoadBalancerArn")))
      add({.service = "elasticloadbalancing",
           .type = "load-balancer",
           .id = text(lb, "LoadBalancerArn"),
           .name = text(lb, "LoadBalancerName"),
           .usd_month = unit("nlb"),
           .by_controller = true});
  return {};
}

Result<void> Taker::target_groups() {
  SLIPWAY_TRY(const Json answer, aws_.call("elbv2", "describe-target-groups"));
  for (const Json& group : list(answer, "TargetGroups"))
    if (in_our_vpc(text(group, "VpcId")) || arns_.contains(text(group, "TargetGroupArn")))
      add({.service = "elasticloadbalancing",
           .type = "target-group",
           .id = text(group, "TargetGroupArn"),
           .name = text(group, "TargetGroupName"),
           .by_controller = true});
  return {};
}

Result<void> Taker::classic_balancers() {
  SLIPWAY_TRY(const Json answer, aws_.call("elb", "describe-load-balancers"));
  for (const Json& lb : list(answer, "LoadBalancerDescriptions"))
    if (in_our_vpc(text(lb, "VPCId")))
      add({.service = "elasticloadbalancing",
           .type = "classic",
           .id = text(lb, "LoadBalancerName"),
           .usd_month = unit("nlb"),
           .by_controller = true});
  return {};
}

}  // namespace slipway::cloud
