#include "cloud/inventory.h"

#include <fmt/format.h>

#include <algorithm>

#include "cloud/aws_error.h"
#include "cloud/inventory_taker.h"

namespace slipway::cloud {

using base::ErrorCode, base::Result;
using codec::list, codec::text;

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

Json filters(const std::string& name, const std::vector<std::string>& values) {
  return {{"Filters", Json::array({{{"Name", name}, {"Values", values}}})}};
}

Result<Inventory> Taker::take() {
  std::vector<Task> first;
  first.push_back(part(&Taker::vpcs));
  for (const auto& [key, value] : {std::pair<std::string, std::string>{kEnvironmentTag, name()},
                                   {"elbv2.k8s.aws/cluster", name()},
                                   {"kubernetes.io/cluster/" + name(), "owned"}})
    first.emplace_back([this, key, value] { return tagged(key, value); });
  SLIPWAY_RETURN_IF_ERROR(side_by_side(first));
  std::vector<Task> parts = network();
  for (const Part ask : {&Taker::roles, &Taker::rules, &Taker::keys, &Taker::volumes, &Taker::snapshots,
                         &Taker::addresses, &Taker::templates, &Taker::balancers, &Taker::target_groups,
                         &Taker::classic_balancers, &Taker::cluster, &Taker::secrets, &Taker::profiles,
                         &Taker::queues, &Taker::repositories, &Taker::buckets, &Taker::budgets})
    parts.push_back(part(ask));
  for (const char* prefix : {"/aws/eks/{}/", "/aws/containerinsights/{}/", "/aws/vpc-flow-logs/{}"})
    parts.push_back(
        part([this, prefix = fmt::format(fmt::runtime(prefix), name())] { return logs(prefix); }));
  SLIPWAY_RETURN_IF_ERROR(side_by_side(parts));
  for (auto* items : {&out_.items, &out_.pending}) {
    std::ranges::sort(*items, {}, &Item::key);
    const auto twice = std::ranges::unique(*items, {}, &Item::key);
    items->erase(twice.begin(), twice.end());
  }
  std::ranges::sort(out_.unreadable);
  return std::move(out_);
}

Task Taker::part(const std::function<Result<void>()>& ask) {
  return [this, ask]() -> Result<void> {
    Result<void> done = ask();
    if (done || done.error().code() != ErrorCode::access_denied) return done;
    const std::scoped_lock lock(mutex_);
    out_.unreadable.push_back(done.error().message());
    return {};
  };
}

bool Taker::ours(const Json& thing) const {
  const auto tags = tags_of(thing);
  const auto is = [&](const std::string& key, const std::string& value) {
    const auto found = tags.find(key);
    return found != tags.end() && found->second == value;
  };
  return is(kEnvironmentTag, name()) || is("kubernetes.io/cluster/" + name(), "owned") ||
         is("elbv2.k8s.aws/cluster", name()) || is("aws:eks:cluster-name", name()) ||
         is("eks:cluster-name", name()) || is("eks:eks-cluster-name", name());
}

bool Taker::in_our_vpc(const std::string& vpc) const {
  return std::ranges::find(vpcs_, vpc) != vpcs_.end();
}

double Taker::unit(const std::string& price) const {
  const auto found = prices_.units.find(price);
  if (found == prices_.units.end()) return 0;
  return found->second.usd * (found->second.per == "hour" ? prices_.hours_per_month : 1);
}

void Taker::add(Item item) {
  if (item.name.empty()) item.name = item.id;
  const std::scoped_lock lock(mutex_);
  out_.items.push_back(std::move(item));
}

// Most services in one call, if late.
Result<void> Taker::tagged(const std::string& key, const std::string& value) {
  SLIPWAY_TRY(const Json answer,
              aws_.call("resourcegroupstaggingapi", "get-resources",
                        {{"TagFilters", Json::array({{{"Key", key}, {"Values", {value}}}})}}));
  const std::scoped_lock lock(mutex_);
  for (const Json& one : list(answer, "ResourceTagMappingList")) arns_.insert(text(one, "ResourceARN"));
  return {};
}

std::vector<std::string> Taker::tagged_ids(const std::string& prefix) const {
  std::vector<std::string> out;
  for (const std::string& arn : arns_)
    if (const std::size_t at = arn.find(prefix); at != std::string::npos)
      out.push_back(arn.substr(at + prefix.size()));
  return out;
}

Result<void> Taker::add_ours(const std::string& service, const std::string& operation,
                             const std::vector<Candidate>& candidates) {
  std::vector<Task> asks;
  for (const Candidate& one : candidates) {
    const auto is_it = [&](const std::string& arn) { return arn.ends_with(one.arn_end); };
    if (std::ranges::any_of(arns_, is_it)) {
      add(one.item);
      continue;
    }
    asks.emplace_back([&, this]() -> Result<void> {
      SLIPWAY_TRY(const auto tags, aws_.find(service, operation, one.question));
      if (tags && ours(*tags)) add(one.item);
      return {};
    });
  }
  return side_by_side(asks);
}

double Inventory::usd_month() const {
  double sum = 0;
  for (const Item& item : items) sum += item.usd_month;
  return sum;
}

Result<Inventory> take_inventory(Aws& aws, const std::string& environment, const std::string& account,
                                 const domain::PriceList& prices, const std::vector<std::string>& keys) {
  return Taker(aws, {.name = environment, .account = account, .keys = {keys.begin(), keys.end()}}, prices)
      .take();
}

std::vector<std::string> keys_of(const Inventory& inventory) {
  std::vector<std::string> out;
  for (const auto* items : {&inventory.items, &inventory.pending})
    for (const Item& item : *items)
      if (item.type == "key") out.push_back(item.id);
  return out;
}

}  // namespace slipway::cloud
