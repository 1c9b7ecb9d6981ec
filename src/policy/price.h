// What an environment costs: its fixed bill, and a replica's price an hour, each with the formula.
//
// A bill is a list of items; pricing multiplies each by its unit price. The total is rounded to cents once,
// so the shown rows may differ from it by a cent. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/addon.h"
#include "domain/cluster.h"
#include "domain/price.h"
#include "policy/instance.h"

namespace slipway::policy {

struct BillItem {
  std::string what = {};  // "NAT gateway"
  std::string unit = {};  // a unit of the price list, or "ec2:m6i.xlarge"
  double quantity = 0;    // how many; GB or requests where the unit is one of those
  std::string note = {};  // why it is there, or that it is an estimate
};

struct PriceRow {
  BillItem item = {};
  double unit_usd = 0;
  std::string formula = {};  // "2 x 0.192 USD an hour x 730 h"
  double usd_month = 0;      // rounded to cents
};

struct Bill {
  std::vector<PriceRow> rows = {};
  double usd_month = 0;
  std::vector<std::string> unpriced = {};  // items whose unit has no price
};

// Everything that costs money while no model runs. `extended_support`: the Kubernetes version is past
// standard support. `addons`: those that are on.
std::vector<BillItem> fixed_items(const domain::Cluster& cluster, std::span<const domain::Addon> addons,
                                  bool extended_support, const domain::PriceList& prices);

Bill price(std::span<const BillItem> items, const domain::PriceList& prices);

}  // namespace slipway::policy
