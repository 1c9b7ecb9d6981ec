#include "environment/down.h"

#include <fmt/format.h>

#include <algorithm>

#include "cloud/aws_error.h"
#include "cloud/sweep.h"
#include "environment/platform.h"
#include "environment/up.h"

namespace slipway::environment {
namespace {

using base::ErrorCode, base::Result;

constexpr int kDestroys = 4;
constexpr auto kBetween = std::chrono::seconds(15);

bool of_state_store(const Session& session, const cloud::Item& item) {
  if (item.service == "s3") return item.id.starts_with("slipway-") && item.id.ends_with("-state");
  if (item.service != "kms") return false;
  return item.id == fmt::format("alias/slipway/{}/state", session.name()) ||
         item.name == session.name() + ": Terraform state";
}

cloud::Around journalled(Session& session) {
  return [&session](const cloud::Item& item, const std::function<Result<void>()>& deletion) -> Result<void> {
    SLIPWAY_RETURN_IF_ERROR(session.perform({.id = "sweep/" + item.key(),
                                             .title = fmt::format("delete {} {}", item.type, item.name),
                                             .run = [&]() -> Result<Json> {
                                               SLIPWAY_RETURN_IF_ERROR(deletion());
                                               return Json{{"type", item.type}, {"id", item.id}};
                                             }}));
    return {};
  };
}

// The environment's KMS keys, of this run's inventory and of those before it.
Result<std::vector<std::string>> remember_keys(Session& session, const DownInput& in) {
  SLIPWAY_TRY(const auto before, session.journal().done("down/keys"));
  std::vector<std::string> keys = cloud::keys_of(in.before);
  if (before)
    for (const Json& key : codec::list(*before, "keys"))
      if (std::ranges::find(keys, key.get<std::string>()) == keys.end())
        keys.push_back(key.get<std::string>());
  SLIPWAY_RETURN_IF_ERROR(
      session.journal().write("down/keys", "note the keys", "done", Json{{"keys", keys}}));
  return keys;
}

Result<cloud::Inventory> sweep(Session& session, const DownInput& in, const std::vector<std::string>& keys,
                               bool with_state_store) {
  const std::string name = session.name(), account = session.identity().account;
  return cloud::sweep(
      session.aws(),
      {.environment = name,
       .account = account,
       .prices = in.prices,
       .keep = [&, with_state_store](
                   const cloud::Item& item) { return !with_state_store && of_state_store(session, item); },
       .keys = keys},
      journalled(session));
}

bool has_state(const Session& session, const DownInput& in) {
  if (in.blueprint.cluster.state == domain::StateStore::local) {
    std::error_code ignored;
    return std::filesystem::exists(session.where().terraform_state, ignored);
  }
  return std::ranges::any_of(in.before.items, [&](const cloud::Item& item) {
    return item.service == "s3" && of_state_store(session, item);
  });
}

Result<void> destroy(Session& session, const DownInput& in) {
  SLIPWAY_RETURN_IF_ERROR(session.perform({.id = "down/files", .title = "write Terraform", .run = [&] {
                                             return write_platform(session, in.blueprint,
                                                                   in.kubernetes_version);
                                           }}));
  SLIPWAY_RETURN_IF_ERROR(session.terraform().settle());
  SLIPWAY_RETURN_IF_ERROR(session.terraform().init());
  for (int attempt = 1;; ++attempt) {
    session.watcher().step("compare with what exists");
    SLIPWAY_TRY(const cloud::Change change, session.terraform().plan({}, true));
    if (change.none()) return {};
    const auto done =
        session.perform({.id = "terraform/destroy",
                         .title = fmt::format("Terraform: {} to destroy", change.count("delete")),
                         .run = [&]() -> Result<Json> {
                           SLIPWAY_RETURN_IF_ERROR(session.terraform().apply());
                           return change_json(change);
                         }});
    if (done) return {};
    const ErrorCode code = done.error().code();
    const bool may_pass = code == ErrorCode::terraform_failed || code == ErrorCode::throttled;
    if (!may_pass || attempt == kDestroys) return done.error();
    session.watcher().warn(fmt::format("{}; trying again", done.error().message()));
    SLIPWAY_RETURN_IF_ERROR(session.patience().pause(kBetween));
    SLIPWAY_RETURN_IF_ERROR(session.terraform().settle());
  }
}

// Made anew: this may be another machine than the one that brought the environment up.
Result<void> write_kubeconfig(Session& session) {
  SLIPWAY_TRY(const auto found, session.aws().find("eks", "describe-cluster", {{"name", session.name()}}));
  if (!found) return {};
  const Json& cluster = codec::field(*found, "cluster");
  return io::write_file_atomic(
      session.where().kubeconfig,
      kube::kubeconfig_text(
          {.name = session.name(),
           .endpoint = codec::text(cluster, "endpoint"),
           .certificate = codec::text(codec::field(cluster, "certificateAuthority"), "data"),
           .region = session.aws().region()}));
}

// Terraform first, since it knows the order; what it cannot, the sweep does.
Result<void> destroy_or_warn(Session& session, const DownInput& in) {
  if (!has_state(session, in)) {
    session.watcher().note("there is no Terraform state; everything goes by tag");
    return {};
  }
  auto done = destroy(session, in);
  if (done || done.error().code() != ErrorCode::terraform_failed) return done;
  session.watcher().warn(fmt::format("{}; the sweep goes on without it", done.error().message()));
  return {};
}

void forget(const Session& session) {
  std::error_code ignored;
  for (const auto& path :
       {session.where().kubeconfig, session.where().platform, session.where().terraform_state,
        session.where().folder / "terraform.tfstate.backup", session.where().folder / "terraform.log"})
    std::filesystem::remove_all(path, ignored);
}

Json receipt_of(const Session& session, const DownInput& in, const cloud::Inventory& after) {
  Json pending = Json::array();
  for (const cloud::Item& key : after.pending)
    pending.push_back({{"id", key.id}, {"name", key.name}, {"state", key.state}});
  return {{"environment", session.name()},
          {"account", session.identity().account},
          {"region", in.blueprint.cluster.region},
          {"before", {{"things", in.before.items.size()}, {"usd_month", in.before.usd_month()}}},
          {"billable", after.usd_month() > 0},
          {"left", inventory_json(after)},
          {"left_usd_month", after.usd_month()},
          {"keys_pending_deletion", pending},
          {"not_looked_at", after.unreadable}};
}

}  // namespace

Json inventory_json(const cloud::Inventory& inventory) {
  Json out = Json::array();
  for (const cloud::Item& i : inventory.items)
    out.push_back({{"service", i.service},
                   {"type", i.type},
                   {"id", i.id},
                   {"name", i.name},
                   {"state", i.state},
                   {"usd_month", i.usd_month}});
  return out;
}

Result<Json> down(Session& session, const DownInput& in) {
  SLIPWAY_RETURN_IF_ERROR(session.journal().begin_run("down", base::wall_now()));
  SLIPWAY_TRY(const auto owner, session.journal().ownership());
  Ownership going = owner.value_or(Ownership{.account = session.identity().account,
                                             .region = in.blueprint.cluster.region,
                                             .blueprint = {},
                                             .source = in.blueprint.source,
                                             .flags = {},
                                             .slipway_version = SLIPWAY_VERSION,
                                             .kubernetes_version = in.kubernetes_version,
                                             .life = {}});
  going.life = "going-down";
  SLIPWAY_RETURN_IF_ERROR(session.journal().set_ownership(going));
  SLIPWAY_TRY(const std::vector<std::string> keys, remember_keys(session, in));
  const bool cluster_there = std::ranges::any_of(
      in.before.items, [](const cloud::Item& i) { return i.key().starts_with("eks/cluster/"); });
  if (cluster_there) {
    SLIPWAY_RETURN_IF_ERROR(write_kubeconfig(session));
    const auto ready = session.kubectl().ready();
    if (!ready && ready.error().code() != ErrorCode::unreachable_endpoint) return ready.error();
    const Result<void> cleared = ready ? clear_cluster(session, in.blueprint) : revoke_nodes(session);
    if (!cleared) return cleared.error();
  }
  if (cluster_there || std::ranges::any_of(in.before.items, &cloud::Item::by_controller))
    SLIPWAY_RETURN_IF_ERROR(clear_orphans(session, in));
  SLIPWAY_RETURN_IF_ERROR(destroy_or_warn(session, in));
  session.watcher().step("look for what is left");
  SLIPWAY_TRY(cloud::Inventory after, sweep(session, in, keys, false));
  const bool only_store =
      std::ranges::all_of(after.items, [&](const cloud::Item& i) { return of_state_store(session, i); });
  if (only_store && !after.items.empty()) {
    session.watcher().step("remove Terraform's state store");
    SLIPWAY_TRY(after, sweep(session, in, keys, true));
  }
  Json receipt = receipt_of(session, in, after);
  SLIPWAY_RETURN_IF_ERROR(session.journal().add_receipt("down", receipt, base::wall_now()));
  if (!after.items.empty()) {
    SLIPWAY_RETURN_IF_ERROR(session.journal().end_run("left", base::wall_now()));
    return receipt;
  }
  forget(session);
  going.life = "gone";
  SLIPWAY_RETURN_IF_ERROR(session.journal().set_ownership(going));
  SLIPWAY_RETURN_IF_ERROR(session.journal().end_run("gone", base::wall_now()));
  return receipt;
}

}  // namespace slipway::environment
