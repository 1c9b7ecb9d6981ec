// What is neither EC2's nor a load balancer: by name, and where a name proves nothing, by the tags of each.
#include <fmt/format.h>

#include "cloud/inventory_taker.h"

namespace slipway::cloud {

using base::Result;
using codec::list, codec::number, codec::text;

Result<void> Taker::cluster() {
  SLIPWAY_TRY(const auto found, aws_.find("eks", "describe-cluster", {{"name", name()}}));
  if (!found) return {};
  const Json& c = codec::field(*found, "cluster");
  if (!ours(c)) return {};
  add({.service = "eks",
       .type = "cluster",
       .id = name(),
       .state = text(c, "status"),
       .usd_month = unit("eks-control-plane")});
  // It may end between the two questions.
  SLIPWAY_TRY(const auto groups, aws_.find("eks", "list-nodegroups", {{"clusterName", name()}}));
  if (!groups) return {};
  for (const Json& g : list(*groups, "nodegroups"))
    if (g.is_string())
      add({.service = "eks", .type = "node-group", .id = g.get<std::string>(), .part_of = name()});
  return {};
}

Result<void> Taker::logs(const std::string& prefix) {
  SLIPWAY_TRY(const Json answer, aws_.call("logs", "describe-log-groups", {{"logGroupNamePrefix", prefix}}));
  for (const Json& g : list(answer, "logGroups")) {
    const std::string group = text(g, "logGroupName");
    if (prefix.ends_with('/') || group == prefix)
      add({.service = "logs",
           .type = "log-group",
           .id = group,
           .usd_month = number(g, "storedBytes") / 1e9 * unit("log-storage")});
  }
  return {};
}

Result<void> Taker::keys() {
  std::set<std::string> ids = subject_.keys;
  for (const std::string& id : tagged_ids(":key/")) ids.insert(id);
  SLIPWAY_TRY(const Json aliases, aws_.call("kms", "list-aliases"));
  for (const Json& a : list(aliases, "Aliases")) {
    if (!text(a, "AliasName").starts_with(fmt::format("alias/slipway/{}/", name()))) continue;
    add({.service = "kms", .type = "alias", .id = text(a, "AliasName")});
    if (!text(a, "TargetKeyId").empty()) ids.insert(text(a, "TargetKeyId"));
  }
  std::vector<Task> asks;
  for (const std::string& id : ids) asks.emplace_back([this, &id] { return key(id); });
  return side_by_side(asks);
}

Result<void> Taker::key(const std::string& id) {
  SLIPWAY_TRY(const auto found, aws_.find("kms", "describe-key", {{"KeyId", id}}));
  if (!found) return {};
  const Json& key = codec::field(*found, "KeyMetadata");
  const std::string state = text(key, "KeyState");
  Item item{.service = "kms", .type = "key", .id = id, .name = text(key, "Description"), .state = state};
  if (state != "PendingDeletion") {
    item.usd_month = unit("kms-key");
    add(std::move(item));
    return {};
  }
  item.state = fmt::format("{} until {}", state, text(key, "DeletionDate"));
  const std::scoped_lock lock(mutex_);
  out_.pending.push_back(std::move(item));
  return {};
}

Result<void> Taker::secrets() {
  const std::string prefix = fmt::format("slipway/{}/", name());
  SLIPWAY_TRY(const Json answer,
              aws_.call("secretsmanager", "list-secrets",
                        {{"Filters", Json::array({{{"Key", "name"}, {"Values", {prefix}}}})}}));
  for (const Json& s : list(answer, "SecretList"))
    if (text(s, "Name").starts_with(prefix) && text(s, "DeletedDate").empty())
      add({.service = "secretsmanager",
           .type = "secret",
           .id = text(s, "Name"),
           .usd_month = unit("secret")});
  return {};
}

// IAM's names carry the region.
Result<void> Taker::roles() {
  SLIPWAY_TRY(const Json answer, aws_.call("iam", "list-roles"));
  std::vector<Candidate> candidates;
  for (const Json& r : list(answer, "Roles"))
    if (const std::string role = text(r, "RoleName");
        role.starts_with(fmt::format("{}-{}-", name(), aws_.region())))
      candidates.push_back(
          {{.service = "iam", .type = "role", .id = role}, ":role/" + role, {{"RoleName", role}}});
  return add_ours("iam", "list-role-tags", candidates);
}

// Karpenter makes one a node class.
Result<void> Taker::profiles() {
  SLIPWAY_TRY(const Json answer, aws_.call("iam", "list-instance-profiles"));
  std::vector<Candidate> candidates;
  for (const Json& p : list(answer, "InstanceProfiles")) {
    const std::string profile = text(p, "InstanceProfileName");
    bool about_us = profile.starts_with(name());
    for (const Json& role : list(p, "Roles"))
      about_us = about_us || text(role, "RoleName").starts_with(fmt::format("{}-{}-", name(), aws_.region()));
    if (about_us)
      candidates.push_back({{.service = "iam", .type = "instance-profile", .id = profile},
                            ":instance-profile/" + profile,
                            {{"InstanceProfileName", profile}}});
  }
  return add_ours("iam", "list-instance-profile-tags", candidates);
}

Result<void> Taker::queues() {
  SLIPWAY_TRY(const Json answer, aws_.call("sqs", "list-queues", {{"QueueNamePrefix", name() + "-"}}));
  std::vector<Candidate> candidates;
  for (const Json& url : list(answer, "QueueUrls")) {
    if (!url.is_string()) continue;
    const auto address = url.get<std::string>();
    const std::string queue = address.substr(address.rfind('/') + 1);
    candidates.push_back({{.service = "sqs", .type = "queue", .id = address, .name = queue},
                          ":" + queue,
                          {{"QueueUrl", address}}});
  }
  return add_ours("sqs", "list-queue-tags", candidates);
}

Result<void> Taker::rules() {
  SLIPWAY_TRY(const Json answer, aws_.call("events", "list-rules", {{"NamePrefix", name() + "-"}}));
  std::vector<Candidate> candidates;
  for (const Json& r : list(answer, "Rules"))
    candidates.push_back({{.service = "events", .type = "rule", .id = text(r, "Name")},
                          text(r, "Arn"),
                          {{"ResourceARN", text(r, "Arn")}}});
  return add_ours("events", "list-tags-for-resource", candidates);
}

Result<void> Taker::repositories() {
  SLIPWAY_TRY(const auto answer, aws_.find("ecr", "describe-repositories", {{"repositoryNames", {name()}}}));
  if (!answer) return {};
  std::vector<Candidate> candidates;
  for (const Json& r : list(*answer, "repositories"))
    candidates.push_back({{.service = "ecr", .type = "repository", .id = text(r, "repositoryName")},
                          text(r, "repositoryArn"),
                          {{"resourceArn", text(r, "repositoryArn")}}});
  return add_ours("ecr", "list-tags-for-resource", candidates);
}

Result<void> Taker::buckets() {
  std::set<std::string> buckets;
  for (const std::string& bucket : tagged_ids(":s3:::")) buckets.insert(bucket);
  SLIPWAY_TRY(const Json answer, aws_.call("s3api", "list-buckets"));
  for (const Json& b : list(answer, "Buckets"))
    if (text(b, "Name").find(name()) != std::string::npos) buckets.insert(text(b, "Name"));
  std::vector<Candidate> candidates;
  for (const std::string& bucket : buckets)
    candidates.push_back({{.service = "s3", .type = "bucket", .id = bucket},
                          ":s3:::" + bucket,
                          {{"Bucket", bucket}, {"ExpectedBucketOwner", subject_.account}}});
  return add_ours("s3api", "get-bucket-tagging", candidates);
}

Result<void> Taker::budgets() {
  SLIPWAY_TRY(const auto answer, aws_.find("budgets", "describe-budgets", {{"AccountId", subject_.account}}));
  if (!answer) return {};
  for (const Json& b : list(*answer, "Budgets"))
    if (text(b, "BudgetName") == fmt::format("slipway-{}-{}", name(), aws_.region()))
      add({.service = "budgets", .type = "budget", .id = text(b, "BudgetName")});
  return {};
}

}  // namespace slipway::cloud
