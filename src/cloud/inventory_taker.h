// How an inventory is taken: every service is asked at the same time, and each answer adds its items.
//
// Parts run on several threads; add() and the lists behind it are the only things that they share, under
// mutex_. What other parts filter by (tags, VPCs) is read before they start. Private to cloud.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cloud/inventory.h"
#include "cloud/side_by_side.h"

namespace slipway::cloud {

inline constexpr const char* kEnvironmentTag = "slipway.dev/environment";

// Tags in whatever spelling a service has for them.
std::map<std::string, std::string> tags_of(const Json& thing);

class Taker {
 public:
  struct Subject {
    std::string name, account;
    std::set<std::string> keys;
  };
  Taker(Aws& aws, Subject subject, const domain::PriceList& prices)
      : aws_(aws), subject_(std::move(subject)), prices_(prices) {}
  base::Result<Inventory> take();

 private:
  using Part = base::Result<void> (Taker::*)();
  // A role that may do less than everything still gets an inventory, with what it does not cover.
  Task part(const std::function<base::Result<void>()>& ask);
  Task part(Part ask) {
    return part([this, ask] { return (this->*ask)(); });
  }

  const std::string& name() const { return subject_.name; }
  bool ours(const Json& thing) const;
  bool in_our_vpc(const std::string& vpc) const;
  double unit(const std::string& price) const;
  void add(Item item);
  std::vector<std::string> tagged_ids(const std::string& prefix) const;
  // Of a kind that can be anywhere: with any of the tags that name us.
  Json by_tag() const;
  base::Result<Json> ec2(const std::string& operation, const std::string& key, const Json& input);
  // Adds the candidates that are ours. Those that the tagging API did not name (it is late, and has no roles)
  // are asked for their tags, at the same time.
  struct Candidate {
    Item item;
    std::string arn_end;  // ":s3:::bucket"
    Json question;
  };
  base::Result<void> add_ours(const std::string& service, const std::string& operation,
                              const std::vector<Candidate>& candidates);

  // What the others need.
  base::Result<void> tagged(const std::string& key, const std::string& value);
  base::Result<void> vpcs();
  // EC2 and load balancers (inventory_network.cc).
  std::vector<Task> network();
  base::Result<void> instances(const Json& filter);
  base::Result<void> volumes();
  base::Result<void> snapshots();
  base::Result<void> addresses();
  base::Result<void> templates();
  base::Result<void> balancers();
  base::Result<void> target_groups();
  base::Result<void> classic_balancers();
  void network_part(const std::string& type, const std::string& id, const std::string& state,
                    const Json& one);
  // Everything else (inventory_services.cc).
  base::Result<void> cluster();
  base::Result<void> logs(const std::string& prefix);
  base::Result<void> keys();
  base::Result<void> key(const std::string& id);
  base::Result<void> secrets();
  base::Result<void> roles();
  base::Result<void> profiles();
  base::Result<void> queues();
  base::Result<void> rules();
  base::Result<void> repositories();
  base::Result<void> buckets();
  base::Result<void> budgets();

  Aws& aws_;
  const Subject subject_;
  const domain::PriceList& prices_;
  std::mutex mutex_;  // of what follows
  std::set<std::string> arns_;
  std::vector<std::string> vpcs_;
  Inventory out_;
};

}  // namespace slipway::cloud
