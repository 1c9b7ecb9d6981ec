#include "cloud/inventory.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "cloud/aws_error.h"

namespace slipway::cloud {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::list, codec::number, codec::text;

constexpr const char* kTag = "slipway.dev/environment";

Json filter(const std::string& name, const std::vector<std::string>& values) {
  return {{"Name", name}, {"Values", values}};
}
Json filters(const std::string& name, const std::vector<std::string>& values) {
  return {{"Filters", Json::array({filter(name, values)})}};
}

// Tags as EC2 and most services write them.
std::map<std::string, std::string> tags_of(const Json& thing) {
  std::map<std::string, std::string> out;
  for (const char* key : {"Tags", "TagSet", "tags", "TagList"}) {
    const Json& found = codec::field(thing, key);
    if (found.is_object())
      for (const auto& [name, value] : found.items())
        if (value.is_string()) out[name] = value.get<std::string>();
    if (found.is_array())
      for (const Json& tag : found) {
        const std::string name = text(tag, "Key").empty() ? text(tag, "key") : text(tag, "Key");
        out[name] = text(tag, "Value").empty() ? text(tag, "value") : text(tag, "Value");
      }
  }
  return out;
}

class Taker {
 public:
  Taker(Aws& aws, std::string name, std::string account, const domain::PriceList& prices,
        const std::vector<std::string>& keys)
      : aws_(aws),
        name_(std::move(name)),
        account_(std::move(account)),
        prices_(prices),
        keys_(keys.begin(), keys.end()) {}

  Result<Inventory> take() {
    SLIPWAY_RETURN_IF_ERROR(tagged());
    for (const auto part : {&Taker::vpcs, &Taker::instances, &Taker::network, &Taker::storage,
                            &Taker::templates, &Taker::balancers, &Taker::cluster, &Taker::logs, &Taker::keys,
                            &Taker::secrets, &Taker::roles, &Taker::profiles, &Taker::queues, &Taker::rules,
                            &Taker::repositories, &Taker::buckets, &Taker::budgets}) {
      Result<void> done = (this->*part)();
      if (done) continue;
      // A role that may do less than everything still gets an inventory, with what it does not cover.
      if (done.error().code() != ErrorCode::access_denied) return std::move(done).error();
      out_.unreadable.push_back(done.error().message());
    }
    std::ranges::sort(out_.items, {}, &Item::key);
    const auto twice = std::ranges::unique(out_.items, {}, &Item::key);
    out_.items.erase(twice.begin(), twice.end());
    return std::move(out_);
  }

 private:
  bool ours(const Json& thing) const {
    const auto tags = tags_of(thing);
    const auto is = [&](const std::string& key, const std::string& value) {
      const auto found = tags.find(key);
      return found != tags.end() && found->second == value;
    };
    return is(kTag, name_) || is("kubernetes.io/cluster/" + name_, "owned") ||
           is("elbv2.k8s.aws/cluster", name_) || is("aws:eks:cluster-name", name_) ||
           is("eks:cluster-name", name_) || is("eks:eks-cluster-name", name_);
  }
  bool arn_is_tagged(const std::string& arn) const { return arns_.contains(arn); }
  double unit(const std::string& name) const {
    const auto found = prices_.units.find(name);
    if (found == prices_.units.end()) return 0;
    return found->second.usd * (found->second.per == "hour" ? prices_.hours_per_month : 1);
  }
  void add(std::string service, std::string type, std::string id, std::string name, std::string state = {},
           double usd = 0, std::string part_of = {}) {
    if (name.empty()) name = id;
    out_.items.push_back({std::move(service), std::move(type), std::move(id), std::move(name),
                          std::move(state), usd, std::move(part_of)});
  }

  // Things with one of our tags, in one call that sees most services, if late.
  Result<void> tagged() {
    for (const auto& [key, value] : {std::pair<std::string, std::string>{kTag, name_},
                                     {"elbv2.k8s.aws/cluster", name_},
                                     {"kubernetes.io/cluster/" + name_, "owned"}}) {
      SLIPWAY_TRY(const Json answer,
                  aws_.call("resourcegroupstaggingapi", "get-resources",
                            {{"TagFilters", Json::array({{{"Key", key}, {"Values", {value}}}})}}));
      for (const Json& one : list(answer, "ResourceTagMappingList")) arns_.insert(text(one, "ResourceARN"));
    }
    return {};
  }
  std::vector<std::string> tagged_ids(const std::string& prefix) const {
    std::vector<std::string> out;
    for (const std::string& arn : arns_)
      if (const std::size_t at = arn.find(prefix); at != std::string::npos)
        out.push_back(arn.substr(at + prefix.size()));
    return out;
  }

  Result<Json> ec2(const std::string& operation, const std::string& key, const Json& input) {
    SLIPWAY_TRY(const Json answer, aws_.call("ec2", operation, input));
    return list(answer, key);
  }
  // Of a kind that can be anywhere: with any of the tags that name us.
  Json by_tag() const {
    return filters("tag-key", {kTag, "kubernetes.io/cluster/" + name_, "aws:eks:cluster-name",
                               "eks:cluster-name", "elbv2.k8s.aws/cluster"});
  }

  Result<void> vpcs() {
    SLIPWAY_TRY(const Json found, ec2("describe-vpcs", "Vpcs", filters("tag:" + std::string(kTag), {name_})));
    for (const Json& v : found) {
      vpcs_.push_back(text(v, "VpcId"));
      add("ec2", "vpc", vpcs_.back(), text(v, "VpcId"));
    }
    return {};
  }

  Result<void> instances() {
    std::vector<Json> asks = {by_tag()};
    if (!vpcs_.empty()) asks.push_back(filters("vpc-id", vpcs_));
    for (const Json& ask : asks) {
      SLIPWAY_TRY(const Json reservations, ec2("describe-instances", "Reservations", ask));
      for (const Json& r : reservations)
        for (const Json& i : list(r, "Instances")) {
          const std::string state = text(codec::field(i, "State"), "Name");
          const bool in_vpc = std::ranges::find(vpcs_, text(i, "VpcId")) != vpcs_.end();
          if (state == "terminated" || (!in_vpc && !ours(i))) continue;
          const std::string type = text(i, "InstanceType");
          const auto tags = tags_of(i);
          const auto node_group = tags.find("eks:nodegroup-name");
          const std::string group = node_group == tags.end() ? "" : node_group->second;
          const domain::InstanceType* known = prices_.instance(type);
          const double usd = known && known->usd_per_hour && state == "running"
                                 ? *known->usd_per_hour * prices_.hours_per_month
                                 : 0;
          add("ec2", "instance", text(i, "InstanceId"), fmt::format("{} ({})", text(i, "InstanceId"), type),
              state, usd, group);
        }
    }
    return {};
  }

  // What lies in our VPC is ours, whatever its tags.
  Result<void> network() {
    if (vpcs_.empty()) return {};
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
    for (const Kind& kind : kKinds) {
      // Two operations name their filters in the singular.
      Json ask = filters(kind.filter, vpcs_);
      if (std::string_view(kind.type) == "nat-gateway" || std::string_view(kind.type) == "flow-log")
        ask = {{"Filter", ask["Filters"]}};
      SLIPWAY_TRY(const Json found, ec2(kind.operation, kind.key, ask));
      for (const Json& one : found)
        network_part(kind.type, text(one, kind.id), *kind.state ? text(one, kind.state) : "", one);
    }
    return {};
  }
  void network_part(const std::string& type, const std::string& id, const std::string& state,
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
    const std::string vpc = type == "internet-gateway" && !vpcs_.empty() ? vpcs_.front() : text(one, "VpcId");
    const std::string name = type == "security-group" ? text(one, "GroupName") : text(one, "Description");
    add("ec2", type, id, name.empty() ? id : fmt::format("{} ({})", id, name), state, usd, vpc);
  }

  Result<void> storage() {
    SLIPWAY_TRY(const Json volumes, ec2("describe-volumes", "Volumes", by_tag()));
    for (const Json& v : volumes)
      if (ours(v))
        add("ec2", "volume", text(v, "VolumeId"),
            fmt::format("{} ({} GiB)", text(v, "VolumeId"), text(v, "Size")), text(v, "State"),
            number(v, "Size") * unit("ebs-gp3"));
    Json ask = by_tag();
    ask["OwnerIds"] = {"self"};
    SLIPWAY_TRY(const Json snapshots, ec2("describe-snapshots", "Snapshots", ask));
    for (const Json& s : snapshots)
      if (ours(s))
        add("ec2", "snapshot", text(s, "SnapshotId"), "", text(s, "State"),
            number(s, "VolumeSize") * unit("ebs-snapshot"));
    SLIPWAY_TRY(const Json addresses, ec2("describe-addresses", "Addresses", by_tag()));
    for (const Json& a : addresses)
      if (ours(a))
        add("ec2", "elastic-ip", text(a, "AllocationId"), text(a, "PublicIp"), "", unit("public-ipv4"));
    return {};
  }

  Result<void> templates() {
    SLIPWAY_TRY(const Json found, ec2("describe-launch-templates", "LaunchTemplates", by_tag()));
    for (const Json& t : found)
      if (ours(t)) add("ec2", "launch-template", text(t, "LaunchTemplateId"), text(t, "LaunchTemplateName"));
    return {};
  }

  Result<void> balancers() {
    const auto in_vpc = [&](const Json& one, const char* key) {
      return std::ranges::find(vpcs_, text(one, key)) != vpcs_.end();
    };
    SLIPWAY_TRY(const Json lbs, aws_.call("elbv2", "describe-load-balancers"));
    for (const Json& lb : list(lbs, "LoadBalancers"))
      if (in_vpc(lb, "VpcId") || arn_is_tagged(text(lb, "LoadBalancerArn")))
        add("elasticloadbalancing", "load-balancer", text(lb, "LoadBalancerArn"),
            text(lb, "LoadBalancerName"), "", unit("nlb"));
    SLIPWAY_TRY(const Json groups, aws_.call("elbv2", "describe-target-groups"));
    for (const Json& tg : list(groups, "TargetGroups"))
      if (in_vpc(tg, "VpcId") || arn_is_tagged(text(tg, "TargetGroupArn")))
        add("elasticloadbalancing", "target-group", text(tg, "TargetGroupArn"), text(tg, "TargetGroupName"));
    SLIPWAY_TRY(const Json classic, aws_.call("elb", "describe-load-balancers"));
    for (const Json& lb : list(classic, "LoadBalancerDescriptions"))
      if (in_vpc(lb, "VPCId"))
        add("elasticloadbalancing", "classic", text(lb, "LoadBalancerName"), "", "", unit("nlb"));
    return {};
  }

  Result<void> cluster() {
    SLIPWAY_TRY(const auto found, aws_.find("eks", "describe-cluster", {{"name", name_}}));
    if (!found) return {};
    const Json& c = codec::field(*found, "cluster");
    if (!ours(c)) return {};
    add("eks", "cluster", name_, name_, text(c, "status"), unit("eks-control-plane"));
    SLIPWAY_TRY(const Json groups, aws_.call("eks", "list-nodegroups", {{"clusterName", name_}}));
    for (const Json& g : list(groups, "nodegroups"))
      if (g.is_string()) add("eks", "node-group", g.get<std::string>(), "", "", 0, name_);
    return {};
  }

  Result<void> logs() {
    for (const std::string& prefix :
         {fmt::format("/aws/eks/{}/", name_), fmt::format("/aws/containerinsights/{}/", name_),
          fmt::format("/aws/vpc-flow-logs/{}", name_)}) {
      SLIPWAY_TRY(const Json answer,
                  aws_.call("logs", "describe-log-groups", {{"logGroupNamePrefix", prefix}}));
      for (const Json& g : list(answer, "logGroups")) {
        const std::string name = text(g, "logGroupName");
        if (prefix.ends_with('/') || name == prefix)
          add("logs", "log-group", name, "", "", number(g, "storedBytes") / 1e9 * unit("log-storage"));
      }
    }
    return {};
  }

  Result<void> keys() {
    std::set<std::string> ids = keys_;
    for (const std::string& id : tagged_ids(":key/")) ids.insert(id);
    SLIPWAY_TRY(const Json aliases, aws_.call("kms", "list-aliases"));
    for (const Json& a : list(aliases, "Aliases")) {
      if (!text(a, "AliasName").starts_with(fmt::format("alias/slipway/{}/", name_))) continue;
      add("kms", "alias", text(a, "AliasName"), "");
      if (!text(a, "TargetKeyId").empty()) ids.insert(text(a, "TargetKeyId"));
    }
    for (const std::string& id : ids) {
      SLIPWAY_TRY(const auto found, aws_.find("kms", "describe-key", {{"KeyId", id}}));
      if (!found) continue;
      const Json& key = codec::field(*found, "KeyMetadata");
      const std::string state = text(key, "KeyState");
      if (state == "PendingDeletion") {
        out_.pending.push_back({"kms",
                                "key",
                                id,
                                text(key, "Description"),
                                fmt::format("{} until {}", state, text(key, "DeletionDate")),
                                0,
                                {}});
      } else {
        add("kms", "key", id, text(key, "Description"), state, unit("kms-key"));
      }
    }
    return {};
  }

  Result<void> secrets() {
    SLIPWAY_TRY(
        const Json answer,
        aws_.call("secretsmanager", "list-secrets",
                  {{"Filters",
                    Json::array({{{"Key", "name"}, {"Values", {fmt::format("slipway/{}/", name_)}}}})}}));
    for (const Json& s : list(answer, "SecretList"))
      if (text(s, "Name").starts_with(fmt::format("slipway/{}/", name_)) && text(s, "DeletedDate").empty())
        add("secretsmanager", "secret", text(s, "Name"), "", "", unit("secret"));
    return {};
  }

  // IAM's names carry the region; a name alone proves nothing, the tag does.
  Result<void> roles() {
    const std::string prefix = fmt::format("{}-{}-", name_, aws_.region());
    SLIPWAY_TRY(const Json answer, aws_.call("iam", "list-roles"));
    for (const Json& r : list(answer, "Roles")) {
      const std::string role = text(r, "RoleName");
      if (!role.starts_with(prefix)) continue;
      SLIPWAY_TRY(const auto tags, aws_.find("iam", "list-role-tags", {{"RoleName", role}}));
      if (tags && ours(*tags)) add("iam", "role", role, "");
    }
    return {};
  }
  // Karpenter makes one a node class.
  Result<void> profiles() {
    SLIPWAY_TRY(const Json answer, aws_.call("iam", "list-instance-profiles"));
    for (const Json& p : list(answer, "InstanceProfiles")) {
      const std::string profile = text(p, "InstanceProfileName");
      bool about_us = profile.starts_with(name_);
      for (const Json& role : list(p, "Roles"))
        about_us =
            about_us || text(role, "RoleName").starts_with(fmt::format("{}-{}-", name_, aws_.region()));
      if (!about_us) continue;
      SLIPWAY_TRY(const auto tags,
                  aws_.find("iam", "list-instance-profile-tags", {{"InstanceProfileName", profile}}));
      if (tags && ours(*tags)) add("iam", "instance-profile", profile, "");
    }
    return {};
  }

  Result<void> queues() {
    SLIPWAY_TRY(const Json answer, aws_.call("sqs", "list-queues", {{"QueueNamePrefix", name_ + "-"}}));
    for (const Json& url : list(answer, "QueueUrls")) {
      if (!url.is_string()) continue;
      const auto address = url.get<std::string>();
      SLIPWAY_TRY(const auto tags, aws_.find("sqs", "list-queue-tags", {{"QueueUrl", address}}));
      if (tags && ours(*tags)) add("sqs", "queue", address, address.substr(address.rfind('/') + 1));
    }
    return {};
  }

  Result<void> rules() {
    SLIPWAY_TRY(const Json answer, aws_.call("events", "list-rules", {{"NamePrefix", name_ + "-"}}));
    for (const Json& r : list(answer, "Rules")) {
      SLIPWAY_TRY(const auto tags,
                  aws_.find("events", "list-tags-for-resource", {{"ResourceARN", text(r, "Arn")}}));
      if (tags && ours(*tags)) add("events", "rule", text(r, "Name"), "");
    }
    return {};
  }

  Result<void> repositories() {
    SLIPWAY_TRY(const auto answer, aws_.find("ecr", "describe-repositories", {{"repositoryNames", {name_}}}));
    if (!answer) return {};
    for (const Json& r : list(*answer, "repositories")) {
      SLIPWAY_TRY(const auto tags,
                  aws_.find("ecr", "list-tags-for-resource", {{"resourceArn", text(r, "repositoryArn")}}));
      if (tags && ours(*tags)) add("ecr", "repository", text(r, "repositoryName"), "");
    }
    return {};
  }

  Result<void> buckets() {
    std::set<std::string> names;
    for (const std::string& name : tagged_ids(":s3:::")) names.insert(name);
    SLIPWAY_TRY(const Json answer, aws_.call("s3api", "list-buckets"));
    for (const Json& b : list(answer, "Buckets"))
      if (text(b, "Name").find(name_) != std::string::npos) names.insert(text(b, "Name"));
    for (const std::string& bucket : names) {
      SLIPWAY_TRY(const auto tags, aws_.find("s3api", "get-bucket-tagging",
                                             {{"Bucket", bucket}, {"ExpectedBucketOwner", account_}}));
      if (tags && ours(*tags)) add("s3", "bucket", bucket, "");
    }
    return {};
  }

  Result<void> budgets() {
    SLIPWAY_TRY(const auto answer, aws_.find("budgets", "describe-budgets", {{"AccountId", account_}}));
    if (!answer) return {};
    for (const Json& b : list(*answer, "Budgets"))
      if (text(b, "BudgetName") == fmt::format("slipway-{}-{}", name_, aws_.region()))
        add("budgets", "budget", text(b, "BudgetName"), "");
    return {};
  }

  Aws& aws_;
  const std::string name_, account_;
  const domain::PriceList& prices_;
  const std::set<std::string> keys_;
  std::set<std::string> arns_;
  std::vector<std::string> vpcs_;
  Inventory out_;
};

}  // namespace

double Inventory::usd_month() const {
  double sum = 0;
  for (const Item& item : items) sum += item.usd_month;
  return sum;
}

Result<Inventory> take_inventory(Aws& aws, const std::string& environment, const std::string& account,
                                 const domain::PriceList& prices, const std::vector<std::string>& keys) {
  return Taker(aws, environment, account, prices, keys).take();
}

std::vector<std::string> keys_of(const Inventory& inventory) {
  std::vector<std::string> out;
  for (const auto* items : {&inventory.items, &inventory.pending})
    for (const Item& item : *items)
      if (item.type == "key") out.push_back(item.id);
  return out;
}

}  // namespace slipway::cloud
