#include "environment/up.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cloud/aws_error.h"
#include "environment/addons.h"
#include "environment/adopt.h"
#include "environment/placeholders.h"
#include "environment/platform.h"
#include "environment/pool_check.h"
#include "environment/preflight.h"
#include "policy/version.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::text;

constexpr int kApplies = 5;
constexpr auto kBetweenApplies = std::chrono::seconds(15);
constexpr auto kApiTime = std::chrono::minutes(10);
constexpr auto kApiLook = std::chrono::seconds(5);
// What holds data or everything else: never replaced by an `up`.
constexpr auto kPrecious = std::to_array<std::string_view>(
    {"aws_eks_cluster", "aws_vpc", "aws_s3_bucket", "aws_kms_key", "aws_ecr_repository"});

Result<void> guard(const cloud::Change& change) {
  std::string lost;
  for (const cloud::ResourceChange& r : change.resources)
    if ((r.action == "replace" || r.action == "delete") &&
        std::ranges::find(kPrecious, r.type) != kPrecious.end())
      lost += fmt::format("{}{} ({})", lost.empty() ? "" : "\n", r.address, r.action);
  if (lost.empty()) return {};
  return Error(ErrorCode::replaces_cluster, "Terraform would destroy what this environment stands on")
      .with_detail(lost);
}

// One minor at a time; the version that was reached is in the journal.
Result<void> check_version(const Session& session, const std::optional<Ownership>& owner,
                           const std::string& wanted) {
  if (!owner || owner->kubernetes_version.empty() || owner->life == "gone") return {};
  SLIPWAY_TRY(const auto steps, policy::upgrade_steps(owner->kubernetes_version, wanted));
  if (steps.size() < 2) return {};
  return Error(ErrorCode::version_unsupported,
               fmt::format("{} is at Kubernetes {}, and {} is {} minor versions away", session.name(),
                           owner->kubernetes_version, wanted, steps.size()))
      .with_next(fmt::format("Set eks_cluster_version = \"{}\" first, run `slipway up`, then go on.",
                             steps.front()));
}

Ownership ownership_of(const Session& session, const UpInput& in, const std::string& reached) {
  return {.account = session.identity().account,
          .region = in.blueprint.cluster.region,
          .blueprint = in.blueprint_text,
          .source = in.blueprint.source,
          .flags = in.flags,
          .slipway_version = in.slipway_version,
          .kubernetes_version = reached,
          .life = "up"};
}

// Whether another apply may end better, after what had to be put right was.
Result<bool> worth_another(Session& session, const Error& error, const cloud::Change& change) {
  if (error.code() == ErrorCode::throttled || error.param() == "passing") return true;
  if (error.code() != ErrorCode::terraform_failed) return false;
  if (session.terraform().unsaved_state()) return true;
  return adopt_existing(session, change);
}

// Terraform until its plan is empty.
Result<Json> converge(Session& session, cloud::Change change) {
  int applied = 0;
  for (int attempt = 1; !change.none(); ++attempt) {
    SLIPWAY_RETURN_IF_ERROR(guard(change));
    auto done = session.perform(
        {.id = "terraform/apply",
         .title = fmt::format("Terraform: {} to create, {} to change, {} to destroy", change.count("create"),
                              change.count("update"), change.count("delete") + change.count("replace")),
         .run = [&]() -> Result<Json> {
           SLIPWAY_RETURN_IF_ERROR(session.terraform().apply());
           return change_json(change);
         }});
    if (!done) {
      if (attempt == kApplies) return done;
      SLIPWAY_TRY(const bool again, worth_another(session, done.error(), change));
      if (!again) return done;
      session.watcher().warn(fmt::format("{}; trying again", done.error().message()));
      SLIPWAY_RETURN_IF_ERROR(session.patience().pause(kBetweenApplies));
      SLIPWAY_RETURN_IF_ERROR(session.terraform().settle());
    } else {
      ++applied;
    }
    if (attempt == kApplies) break;
    SLIPWAY_TRY(change, session.terraform().plan());
  }
  return Json{{"applies", applied}};
}

Result<Json> write_kubeconfig(const Session& session, const Json& outputs) {
  const std::string config =
      kube::kubeconfig_text({.name = text(outputs, "cluster_name"),
                             .endpoint = text(outputs, "cluster_endpoint"),
                             .certificate = text(outputs, "cluster_certificate_authority_data"),
                             .region = text(outputs, "region")});
  SLIPWAY_RETURN_IF_ERROR(io::write_file_atomic(session.where().kubeconfig, config));
  return Json{{"file", session.where().kubeconfig.string()}};
}

Result<void> wait_for_api(Session& session) {
  std::optional<Error> last;
  auto done =
      session.patience().until("the cluster's API to answer", kApiTime, kApiLook, [&]() -> Result<bool> {
        auto ready = session.kubectl().ready();
        if (ready) return true;
        if (ready.error().code() != ErrorCode::unreachable_endpoint) return std::move(ready).error();
        last = ready.error();
        return false;
      });
  if (done || done.error().code() != ErrorCode::timeout || !last) return done;
  return *std::move(last);
}

// Everything up to Terraform's difference.
Result<cloud::Change> prepare(Session& session, const UpInput& in) {
  const std::string& version = in.plan.version.version.version;
  SLIPWAY_RETURN_IF_ERROR(session.terraform().settle());
  SLIPWAY_RETURN_IF_ERROR(
      session.perform({.id = "files", .title = "write Terraform, charts and add-ons", .run = [&] {
                         return write_platform(session, in.blueprint, version);
                       }}));
  if (in.blueprint.cluster.state == domain::StateStore::s3)
    SLIPWAY_RETURN_IF_ERROR(make_state_store(session));
  SLIPWAY_RETURN_IF_ERROR(
      session.perform({.id = "terraform/init", .title = "prepare Terraform", .run = [&]() -> Result<Json> {
                         SLIPWAY_RETURN_IF_ERROR(session.terraform().init());
                         return Json::object();
                       }}));
  session.watcher().step("compare with what exists");
  return session.terraform().plan();
}

struct Verified {
  Json addons, pools;
};

Result<Json> receipt(Session& session, const UpInput& in, Json outputs, Verified verified) {
  outputs.erase("cluster_certificate_authority_data");
  Json out{{"environment", session.name()},
           {"account", session.identity().account},
           {"region", in.blueprint.cluster.region},
           {"kubernetes_version", in.plan.version.version.version},
           {"kubeconfig", session.where().kubeconfig.string()},
           {"configure_kubectl", text(outputs, "configure_kubectl")},
           {"usd_month", in.plan.bill.usd_month},
           {"addons", std::move(verified.addons)},
           {"pools_checked", std::move(verified.pools)},
           {"outputs", std::move(outputs)}};
  SLIPWAY_RETURN_IF_ERROR(session.journal().add_receipt("up", out, base::wall_now()));
  return out;
}

}  // namespace

Json change_json(const cloud::Change& change) {
  Json addresses = Json::array();
  for (const cloud::ResourceChange& r : change.resources)
    addresses.push_back({{"address", r.address}, {"action", r.action}});
  return {{"create", change.count("create")},
          {"update", change.count("update")},
          {"delete", change.count("delete")},
          {"replace", change.count("replace")},
          {"resources", addresses}};
}

// A bucket is never made for a plan: without one nothing exists yet, and everything is new.
Result<cloud::Change> difference(Session& session, const UpInput& in) {
  SLIPWAY_RETURN_IF_ERROR(session.terraform().settle());
  domain::Blueprint blueprint = in.blueprint;
  if (blueprint.cluster.state == domain::StateStore::s3) {
    const std::string bucket =
        state_bucket(session.name(), session.identity().account, blueprint.cluster.region);
    SLIPWAY_TRY(const auto there, session.aws().find("s3api", "head-bucket", {{"Bucket", bucket}}));
    if (!there) blueprint.cluster.state = domain::StateStore::local;
  }
  SLIPWAY_RETURN_IF_ERROR(write_platform(session, blueprint, in.plan.version.version.version));
  SLIPWAY_RETURN_IF_ERROR(session.terraform().init());
  return session.terraform().plan();
}

Result<Json> up(Session& session, const UpInput& in) {
  SLIPWAY_TRY(const auto owner, session.journal().ownership());
  const bool exists = owner && owner->life != "gone" && !owner->kubernetes_version.empty();
  const std::string reached = exists ? owner->kubernetes_version : "";
  SLIPWAY_RETURN_IF_ERROR(check_version(session, owner, in.plan.version.version.version));
  SLIPWAY_RETURN_IF_ERROR(preflight(
      session,
      {.blueprint = in.blueprint, .plan = in.plan, .reach_promised = in.reach_promised, .exists = exists}));
  SLIPWAY_RETURN_IF_ERROR(session.journal().begin_run("up", base::wall_now()));
  SLIPWAY_RETURN_IF_ERROR(session.journal().set_ownership(ownership_of(session, in, reached)));
  SLIPWAY_TRY(const cloud::Change change, prepare(session, in));
  if (in.agree) {
    SLIPWAY_TRY(const bool yes, in.agree(change));
    if (!yes) return Json();
  }
  SLIPWAY_RETURN_IF_ERROR(converge(session, change));
  SLIPWAY_TRY(Json outputs, session.terraform().outputs());
  SLIPWAY_RETURN_IF_ERROR(
      session.journal().set_ownership(ownership_of(session, in, in.plan.version.version.version)));
  SLIPWAY_RETURN_IF_ERROR(session.perform({.id = "kubeconfig", .title = "write the kubeconfig", .run = [&] {
                                             return write_kubeconfig(session, outputs);
                                           }}));
  SLIPWAY_RETURN_IF_ERROR(wait_for_api(session));
  const std::vector<domain::Addon> addons = policy::addons_on(in.plan.addons);
  SLIPWAY_RETURN_IF_ERROR(install_addons(session, addons, placeholders(in.blueprint, outputs)));
  session.watcher().step("verify every component");
  SLIPWAY_TRY(Json healthy, verify_addons(session, addons));
  SLIPWAY_TRY(Json pools, in.check_pools ? check_pools(session) : Result<Json>(Json()));
  SLIPWAY_TRY(Json out, receipt(session, in, std::move(outputs),
                                {.addons = std::move(healthy), .pools = std::move(pools)}));
  SLIPWAY_RETURN_IF_ERROR(session.journal().end_run("up", base::wall_now()));
  return out;
}

}  // namespace slipway::environment
