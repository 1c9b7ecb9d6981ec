#include "environment/preflight.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "cloud/side_by_side.h"
#include "io/download.h"
#include "policy/network.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::list, codec::number, codec::text;

// AWS's own answer to "from which address do I come?"
constexpr const char* kAddressUrl = "https://checkip.amazonaws.com/";

std::string address_url() {
  const char* const other = std::getenv("SLIPWAY_ADDRESS_URL");
  return other != nullptr && *other != 0 ? other : kAddressUrl;
}

std::string public_address() {
  std::string body;
  const auto sink = [&](std::string_view bytes) -> Result<void> {
    if (body.size() < 256) body += bytes;
    return {};
  };
  if (!io::download({.url = address_url(), .headers = {}, .if_match = {}}, sink)) return {};
  while (!body.empty() && (body.back() == '\n' || body.back() == ' ')) body.pop_back();
  const auto allowed = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
  return std::ranges::all_of(body, allowed) ? body : std::string();
}

Result<void> check_zones(Session& session, const domain::Cluster& cluster) {
  SLIPWAY_TRY(const int usable, usable_zones(session.aws()));
  if (usable >= cluster.zones) return {};
  return Error(ErrorCode::too_few_zones,
               fmt::format("{} has {} zones that EKS can use, and availability_zones_count is {}",
                           cluster.region, usable, cluster.zones))
      .with_next(fmt::format("Set availability_zones_count = {}, or choose another region.", usable));
}

Result<void> check_quotas(Session& session, const PreflightInput& in) {
  if (in.exists) return {};
  std::vector<policy::QuotaNeed> needs = in.plan.quotas;
  SLIPWAY_TRY(const auto unasked, read_quotas(session.aws(), needs));
  for (const std::string& name : unasked)
    session.watcher().warn(fmt::format("the quota \"{}\" could not be read", name));
  std::string all, commands;
  for (const policy::QuotaNeed& need : needs) {
    if (!need.limit || !need.short_of()) continue;
    all += fmt::format("{}{} ({}): {:.0f} needed, {:.0f} granted", all.empty() ? "" : "\n", need.name,
                       need.code, need.need, *need.limit);
    commands += fmt::format("{}{}", commands.empty() ? "" : "\n",
                            policy::request_command(need, in.blueprint.cluster.region));
  }
  if (all.empty()) return {};
  return Error(ErrorCode::quota_short, "a quota of this account is too small for this environment")
      .with_detail(all)
      .with_next(commands);
}

Result<void> check_reach(Session& session, const PreflightInput& in) {
  SLIPWAY_TRY(const Reach reach, reach_of(in.blueprint.cluster, session.patience()));
  if (reach.certain || in.reach_promised || in.exists) return {};
  const std::string mine =
      reach.address.empty() ? "--allow-my-ip" : fmt::format("--allow-my-ip (adds {}/32)", reach.address);
  return Error(ErrorCode::unreachable_endpoint, reach.why)
      .with_next(
          fmt::format("Add {}, or run inside the VPC's network (peering, VPN) with --reachable.", mine));
}

}  // namespace

Result<Reach> reach_of(const domain::Cluster& cluster, const io::Patience& patience) {
  SLIPWAY_RETURN_IF_ERROR(patience.check());
  Reach out;
  out.address = public_address();
  if (cluster.allowed_inbound_cidrs.empty()) {
    out.why = "the API endpoint will be private, and nothing shows that this machine reaches the VPC";
    return out;
  }
  if (out.address.empty()) {
    out.certain = true;
    out.why = fmt::format(
        "this machine's address could not be asked for ({}); allowed_inbound_cidrs is taken on trust",
        address_url());
    return out;
  }
  const auto mine = policy::parse_cidr(out.address + "/32");
  for (const std::string& range : cluster.allowed_inbound_cidrs)
    if (const auto allowed = policy::parse_cidr(range); allowed && mine && policy::overlap(*allowed, *mine)) {
      out.certain = true;
      out.why = fmt::format("{} is in {}", out.address, range);
      return out;
    }
  out.why = fmt::format("this machine comes from {}, which is in none of allowed_inbound_cidrs ({})",
                        out.address, fmt::join(cluster.allowed_inbound_cidrs, ", "));
  return out;
}

Result<int> usable_zones(cloud::Aws& aws) {
  const auto filter = [](const char* name, const char* value) {
    return Json{{"Name", name}, {"Values", {value}}};
  };
  SLIPWAY_TRY(const Json answer, aws.call("ec2", "describe-availability-zones",
                                          {{"Filters", Json::array({filter("zone-type", "availability-zone"),
                                                                    filter("state", "available")})}}));
  int usable = 0;
  for (const Json& zone : list(answer, "AvailabilityZones")) {
    const std::string id = text(zone, "ZoneId");
    usable += id != "use1-az3" && id != "usw1-az2" && id != "cac1-az3";  // EKS has no control plane there
  }
  return usable;
}

Result<std::vector<std::string>> read_quotas(cloud::Aws& aws, std::vector<policy::QuotaNeed>& needs) {
  std::vector<char> read(needs.size());  // not bool: each is written by a thread of its own
  std::vector<cloud::Task> asks;
  for (std::size_t i = 0; i < needs.size(); ++i)
    asks.emplace_back([&aws, &need = needs[i], &was_read = read[i]]() -> Result<void> {
      const auto answer = aws.find("service-quotas", "get-service-quota",
                                   {{"ServiceCode", need.service}, {"QuotaCode", need.code}});
      if (!answer && answer.error().code() != ErrorCode::access_denied) return answer.error();
      if (!answer || !*answer) return {};
      need.limit = number(codec::field(**answer, "Quota"), "Value", need.new_account);
      was_read = 1;
      return {};
    });
  SLIPWAY_RETURN_IF_ERROR(cloud::side_by_side(asks));
  std::vector<std::string> unasked;
  for (std::size_t i = 0; i < needs.size(); ++i)
    if (!read[i]) unasked.push_back(needs[i].name);
  return unasked;
}

Result<Json> preflight(Session& session, const PreflightInput& in) {
  const domain::Cluster& cluster = in.blueprint.cluster;
  if (cluster.monthly_budget_usd && in.plan.bill.usd_month > *cluster.monthly_budget_usd)
    return Error(
        ErrorCode::over_budget,
        fmt::format(
            "the environment costs {:.2f} USD a month without models, and monthly_budget_usd is {:.2f}",
            in.plan.bill.usd_month, *cluster.monthly_budget_usd));
  session.watcher().step("check zones, quotas and reach");
  SLIPWAY_RETURN_IF_ERROR(check_zones(session, cluster));
  SLIPWAY_RETURN_IF_ERROR(check_quotas(session, in));
  SLIPWAY_RETURN_IF_ERROR(check_reach(session, in));
  return Json{{"account", session.identity().account}, {"caller", session.identity().arn}};
}

}  // namespace slipway::environment
