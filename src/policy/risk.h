// What a person should know before an environment is made: findings that stop it and findings that do not.
// Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "domain/addon.h"
#include "domain/blueprint.h"
#include "policy/price.h"
#include "policy/version.h"

namespace slipway::policy {

struct Risk {
  std::string id = {};  // "open-endpoint": stable, for programs
  std::string what = {};
  std::string why = {};   // with the evidence and, where it is one, the price
  std::string cure = {};  // what to write
};

// What stands in the way of any plan: overlapping or malformed ranges, too few zones, an open endpoint that
// nobody accepted. In the order of the file's variables; empty when nothing does.
std::vector<base::Error> blockers(const domain::Blueprint& blueprint, const domain::EksFacts& facts);

struct RiskInput {
  const domain::Blueprint& blueprint;
  const VersionChoice& version;
  const Bill& bill;
  const domain::PriceList& prices;
  std::span<const domain::Addon> addons;  // that are on
};
std::vector<Risk> risks(const RiskInput& input);

}  // namespace slipway::policy
