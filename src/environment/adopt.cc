#include "environment/adopt.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cloud/inventory.h"
#include "codec/price_list.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::text;

constexpr auto kThere = std::to_array<std::string_view>(
    {"AlreadyExists", "already exists", "ResourceInUseException", "EntityAlreadyExists",
     "BucketAlreadyOwnedByYou", "InvalidLaunchTemplateName", "QueueAlreadyExists", "DuplicateRecord"});

bool says_there(std::string_view words) {
  return std::ranges::any_of(kThere, [&](auto part) { return words.find(part) != std::string_view::npos; });
}

// Terraform's types whose id is one attribute.
struct ById {
  std::string_view type, attribute,
      inventory;  // "service/type" in the inventory; empty: a part of the cluster
};
constexpr auto kIds = std::to_array<ById>({
    {"aws_iam_role", "name", "iam/role"},
    {"aws_cloudwatch_log_group", "name", "logs/log-group"},
    {"aws_eks_cluster", "name", "eks/cluster"},
    {"aws_kms_alias", "name", "kms/alias"},
    {"aws_s3_bucket", "bucket", "s3/bucket"},
    {"aws_ecr_repository", "name", "ecr/repository"},
    {"aws_cloudwatch_event_rule", "name", "events/rule"},
    {"aws_secretsmanager_secret", "name", "secretsmanager/secret"},
});
// Parts of a cluster: "CLUSTER:PART".
constexpr auto kParts = std::to_array<ById>({
    {"aws_eks_addon", "addon_name", ""},
    {"aws_eks_node_group", "node_group_name", ""},
    {"aws_eks_access_entry", "principal_arn", ""},
});

Result<bool> is_ours(const cloud::Inventory& inventory, const std::string& type, const std::string& id) {
  const auto* row = std::ranges::find(kIds, type, &ById::type);
  if (row == kIds.end()) return true;  // a part of the cluster, which is ours
  const std::string prefix = std::string(row->inventory) + "/";
  return std::ranges::any_of(inventory.items, [&](const cloud::Item& i) { return i.key() == prefix + id; });
}

}  // namespace

std::string import_id(const std::string& type, const cloud::Json& planned) {
  if (const auto* row = std::ranges::find(kIds, type, &ById::type); row != kIds.end())
    return text(planned, row->attribute);
  if (const auto* row = std::ranges::find(kParts, type, &ById::type); row != kParts.end()) {
    const std::string part = text(planned, row->attribute), cluster = text(planned, "cluster_name");
    return part.empty() || cluster.empty() ? "" : fmt::format("{}:{}", cluster, part);
  }
  return {};
}

Result<bool> adopt_existing(Session& session, const cloud::Change& change) {
  std::vector<std::pair<std::string, std::string>> found;  // address, id
  std::optional<cloud::Inventory> inventory;
  for (const cloud::Terraform::Failure& failure : session.terraform().failures()) {
    if (!says_there(failure.words)) continue;
    const auto planned =
        std::ranges::find(change.resources, failure.address, &cloud::ResourceChange::address);
    if (planned == change.resources.end() || planned->action != "create") continue;
    std::string id = import_id(planned->type, planned->planned);
    if (id.empty()) continue;
    if (!inventory) {
      SLIPWAY_TRY(inventory, cloud::take_inventory(session.aws(), session.name(), session.identity().account,
                                                   codec::built_in_prices()));
    }
    SLIPWAY_TRY(const bool ours, is_ours(*inventory, planned->type, id));
    if (!ours)
      return Error(ErrorCode::name_conflict,
                   fmt::format("{} {} is there already and does not carry this environment's tag",
                               planned->type, id))
          .with_next("Give the environment another name, or remove that resource if it is nobody's.");
    if (planned->type == "aws_secretsmanager_secret") {  // imported by its ARN, found by its name
      SLIPWAY_TRY(const Json secret,
                  session.aws().call("secretsmanager", "describe-secret", {{"SecretId", id}}));
      id = text(secret, "ARN");
    }
    found.emplace_back(failure.address, id);
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
