// Everything of one environment that exists in an account: found by tag, by its VPC and by its names, with
// the price of a month.
//
// Tags appear late and not every type has them in the tagging API, so each service is asked itself: what
// carries `slipway.dev/environment = NAME` or a cluster's own tag, what lies in the environment's VPC, and
// what has its names (log groups, roles, aliases). What has ended (terminated, deleted) is not listed; a KMS
// key that waits for its deletion is listed apart, it costs nothing. The services are asked at the same time.
// Blocking; threads: main.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cloud/aws.h"
#include "domain/price.h"

namespace slipway::cloud {

struct Item {
  std::string service;     // "ec2"
  std::string type;        // "volume"
  std::string id;          // what a deletion names: "vol-1", an ARN, a name
  std::string name = {};   // for people
  std::string state = {};  // "available"; empty when the type has none
  double usd_month = 0;
  std::string part_of = {};    // the cluster of a node group, the node group of an instance, the VPC
  bool by_controller = false;  // made by something in the cluster: no Terraform knows it
  std::string key() const { return service + "/" + type + "/" + id; }
  bool operator==(const Item&) const = default;
};

struct Inventory {
  std::vector<Item> items;              // by service, type, id
  std::vector<Item> pending;            // KMS keys that are deleted later by themselves
  std::vector<std::string> unreadable;  // what this role may not list, with the permission
  double usd_month() const;
};

// `environment`: its name, which is the cluster's; `account` for budgets; `keys`: ids of KMS keys that are
// known to be its, since one that waits for its deletion has no alias any more and its tag may not have
// appeared.
base::Result<Inventory> take_inventory(Aws& aws, const std::string& environment, const std::string& account,
                                       const domain::PriceList& prices,
                                       const std::vector<std::string>& keys = {});
// EC2's {"Filters": [{Name, Values}]}.
Json filters(const std::string& name, const std::vector<std::string>& values);
std::vector<std::string> keys_of(const Inventory& inventory);

}  // namespace slipway::cloud
