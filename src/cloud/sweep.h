// Deletes what is left of an environment, in dependency order: what runs before what it runs on, what uses
// before what is used.
//
// Each round takes one item after another; what is still in use is left for the next round, what is gone
// already is fine. Idempotent, so that a killed sweep is simply done again. Blocking; threads: main.
// Failure: of AWS other than "in use" and "not there"; timeout never (what could not be deleted is in the
// next inventory).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cloud/inventory.h"

namespace slipway::cloud {

// Dependency order of deletion; what is not in it is never swept.
int sweep_rank(const Item& item);
// Items that a sweep deletes, in its order.
std::vector<Item> sweep_order(const std::vector<Item>& items);

// Asks AWS to delete one; what is there afterwards is what the next inventory says.
base::Result<void> delete_item(Aws& aws, const Item& item, const std::string& account);

// What is carried out around each deletion: the journal. Calls `deletion` once.
using Around =
    std::function<base::Result<void>(const Item& item, const std::function<base::Result<void>()>& deletion)>;

struct SweepInput {
  const std::string& environment;
  const std::string& account;
  const domain::PriceList& prices;
  std::function<bool(const Item&)> keep = {};  // these stay
  std::vector<std::string> keys = {};          // see take_inventory
  int rounds = 30;
};
// Until nothing but the kept is left or the rounds are over. Returns the last inventory.
base::Result<Inventory> sweep(Aws& aws, const SweepInput& input, const Around& around);

// Every version of every object, then the bucket.
base::Result<void> delete_bucket(Aws& aws, const std::string& bucket, const std::string& account);

}  // namespace slipway::cloud
