#include "policy/route.h"

#include <gtest/gtest.h>

#include <set>

#include "base/rng.h"

namespace slipway::policy {
namespace {

using domain::ReplicaState;

struct Row {
  const char* id;
  ReplicaState state;
  int parallel;
  std::uint32_t in_flight;
};

struct World {
  domain::Model model;
  std::vector<std::uint32_t> in_flight;

  explicit World(std::initializer_list<Row> rows) {
    for (const Row& row : rows) add(row);
  }
  void add(const Row& row) {
    domain::Replica r;
    r.id = base::ReplicaId(row.id);
    r.state = row.state;
    r.parallel = row.parallel;
    r.slot = static_cast<std::uint32_t>(model.replicas.size()) + 10;
    model.replicas.push_back(r);
    in_flight.push_back(row.in_flight);
  }
  Route route(std::vector<std::uint32_t> tried = {}) const {
    return least_loaded({.model = &model, .in_flight = in_flight, .tried = tried});
  }
};

TEST(LeastLoaded, TakesTheReplicaWithTheSmallestBusyShare) {
  const World w({{"m-a", ReplicaState::ready, 8, 5},
                 {"m-b", ReplicaState::ready, 8, 2},
                 {"m-c", ReplicaState::ready, 2, 1}});
  const Route r = w.route();
  EXPECT_EQ(r.replica, 1u);
  EXPECT_EQ(r.reason, RouteReason::least_loaded);
  EXPECT_EQ(r.in_flight, 2u);
  EXPECT_EQ(r.ready, 3u);
}

TEST(LeastLoaded, ABiggerReplicaMayHoldMoreAndStillBeLighter) {
  const World w({{"m-a", ReplicaState::ready, 2, 1}, {"m-b", ReplicaState::ready, 16, 4}});
  EXPECT_EQ(w.route().replica, 1u);
}

TEST(LeastLoaded, EqualSharesGoToTheSmallerIdWhateverTheOrder) {
  const World w({{"m-z", ReplicaState::ready, 4, 1}, {"m-a", ReplicaState::ready, 8, 3}});
  EXPECT_EQ(w.route().replica, 1u);
}

TEST(LeastLoaded, OnlyReadyReplicasAreChosen) {
  const World w({{"m-a", ReplicaState::starting, 8, 0},
                 {"m-b", ReplicaState::draining, 8, 0},
                 {"m-c", ReplicaState::ready, 8, 7},
                 {"m-d", ReplicaState::crash_loop, 8, 0}});
  EXPECT_EQ(w.route().replica, 2u);
  EXPECT_EQ(w.route().reason, RouteReason::only_one);
}

TEST(LeastLoaded, ATriedReplicaIsNotChosenAgain) {
  const World w({{"m-a", ReplicaState::ready, 8, 0}, {"m-b", ReplicaState::ready, 8, 7}});
  EXPECT_EQ(w.route({10}).replica, 1u);
  const Route none = w.route({10, 11});
  EXPECT_FALSE(none.replica);
  EXPECT_EQ(none.reason, RouteReason::all_tried);
}

TEST(LeastLoaded, NobodyReadyIsSaidWithTheSnapshotsReason) {
  World w({{"m-a", ReplicaState::starting, 8, 0}});
  w.model.unready_reason = "loading weights, 62 %";
  const Route r = w.route();
  EXPECT_FALSE(r.replica);
  EXPECT_EQ(r.reason, RouteReason::none_ready);
  EXPECT_EQ(explain(r, w.model), "loading weights, 62 %");
}

TEST(LeastLoaded, AReplicaWithoutKnownParallelismCountsAsOne) {
  const World w({{"m-a", ReplicaState::ready, 0, 1}, {"m-b", ReplicaState::ready, 0, 0}});
  EXPECT_EQ(w.route().replica, 1u);
}

TEST(LeastLoaded, ChoosesAMinimumOnRandomWorlds) {
  base::Rng rng(11);
  for (int round = 0; round < 2000; ++round) {
    World w({});
    const auto count = 1 + rng.below(12);
    std::set<std::string> ids;
    while (ids.size() < count) ids.insert("m-" + std::to_string(rng.below(1000)));
    for (const std::string& id : ids)
      w.add({id.c_str(), rng.below(4) ? ReplicaState::ready : ReplicaState::backoff,
             static_cast<int>(rng.below(9)), static_cast<std::uint32_t>(rng.below(20))});
    const Route r = w.route();
    for (std::size_t i = 0; i < w.model.replicas.size(); ++i) {
      const auto& other = w.model.replicas[i];
      if (other.state != ReplicaState::ready) continue;
      ASSERT_TRUE(r.replica);
      const auto share = [&](std::size_t k) {
        return (w.in_flight[k] + 1.0) / std::max(1, w.model.replicas[k].parallel);
      };
      EXPECT_LE(share(*r.replica), share(i) + 1e-12) << "round " << round;
    }
  }
}

TEST(RouteExplanation, NamesTheReplicaAndItsLoad) {
  const World w({{"m-a", ReplicaState::ready, 8, 5}, {"m-b", ReplicaState::ready, 8, 2}});
  EXPECT_EQ(explain(w.route(), w.model), "m-b: least loaded of 2 ready replicas (2 requests on their way)");
}

TEST(RetryBudgetTest, EveryRequestFailingAddsAtMostAFifthAndTheStock) {
  RetryBudget budget;
  int retries = 0;
  for (int request = 0; request < 10'000; ++request) {
    budget.earn();
    while (budget.spend()) ++retries;
  }
  EXPECT_LE(retries, 2000 + static_cast<int>(RetryBudget::kStock));
  EXPECT_GE(retries, 1990);
}

}  // namespace
}  // namespace slipway::policy
