#include "policy/place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/rng.h"

namespace slipway::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// `cores` cores with `threads` hyperthreads each, numbered as Linux does: siblings are `cores` apart.
std::vector<Processor> machine(int cores, int threads = 1, int nodes = 1) {
  std::vector<Processor> out;
  for (int t = 0; t < threads; ++t)
    for (int c = 0; c < cores; ++c) out.push_back({t * cores + c, c, c * nodes / cores});
  return out;
}

TEST(Place, OneReplicaTakesASmallMachine) {
  const auto p = place(machine(2), {}, 1);
  EXPECT_THAT(p[0].processors, ElementsAre(0, 1));
  EXPECT_EQ(p[0].threads, 2);
  EXPECT_FALSE(p[0].shared);
}

TEST(Place, HyperthreadsOfOneCoreStayTogetherWithOneThread) {
  const auto p = place(machine(2, 2), {}, 2);
  EXPECT_THAT(p[0].processors, ElementsAre(0, 2));
  EXPECT_THAT(p[1].processors, ElementsAre(1, 3));
  EXPECT_EQ(p[0].threads, 1);
}

TEST(Place, ALargeMachineKeepsOneCoreForTheRest) {
  EXPECT_EQ(place(machine(16), {}, 1)[0].threads, 15);
}

TEST(Place, ReplicasStayOnTheirMemoryNode) {
  const auto p = place(machine(6, 1, 2), {}, 2);
  EXPECT_THAT(p[0].processors, ElementsAre(0, 1, 2));
  EXPECT_THAT(p[1].processors, ElementsAre(3, 4, 5));
}

TEST(Place, ANewReplicaTakesWhatRunningOnesLeave) {
  const std::vector<Placement> running = place(machine(4), {}, 2);
  const auto p = place(machine(4), std::span(running).first(1), 1);
  EXPECT_THAT(p[0].processors, ElementsAre(2, 3));
}

TEST(Place, WithoutAFreeCoreItSharesAndSaysSo) {
  const auto running = place(machine(4), {}, 1);
  const auto p = place(machine(4), running, 1);
  EXPECT_TRUE(p[0].shared);
  EXPECT_EQ(p[0].threads, 2);
  EXPECT_THAT(p[0].reason, HasSubstr("no core is left"));
}

TEST(Place, UnsharedSetsAreDisjointAndEveryReplicaComputes) {
  base::Rng rng(11);
  for (int i = 0; i < 2'000; ++i) {
    const int cores = static_cast<int>(1 + rng.below(40));
    const auto all = machine(cores, static_cast<int>(1 + rng.below(2)), static_cast<int>(1 + rng.below(2)));
    const auto running = place(all, {}, static_cast<int>(rng.below(6)));
    const int count = static_cast<int>(rng.below(50));
    const auto placed = place(all, running, count);
    ASSERT_EQ(static_cast<int>(placed.size()), count);
    std::set<int> taken;
    for (const Placement& p : running)
      if (!p.shared) taken.insert(p.processors.begin(), p.processors.end());
    for (const Placement& p : placed) {
      EXPECT_GE(p.threads, 1);
      EXPECT_LE(p.threads, static_cast<int>(p.processors.size()));
      ASSERT_FALSE(p.processors.empty());
      if (p.shared) continue;
      for (const int id : p.processors)
        EXPECT_TRUE(taken.insert(id).second) << "processor " << id << " twice";
    }
  }
}

TEST(Place, ReplicasOnGpusGoWhereOneMoreLeavesTheMost) {
  struct Row {
    std::vector<std::uint64_t> free;
    int count;
    std::vector<std::size_t> gpus;
    std::vector<std::uint64_t> bytes;
  };
  const Row rows[] = {{{80}, 1, {0}, {80}},
                      {{80}, 2, {0, 0}, {40, 40}},
                      {{24, 80}, 1, {1}, {80}},
                      {{40, 80}, 3, {1, 0, 1}, {40, 40, 40}},
                      {{80, 80}, 2, {0, 1}, {80, 80}}};
  for (const Row& row : rows) {
    const auto seats = seat_on_gpus(row.free, row.count);
    std::vector<std::size_t> gpus;
    std::vector<std::uint64_t> bytes;
    for (const GpuSeat& s : seats) {
      gpus.push_back(s.gpu);
      bytes.push_back(s.bytes);
    }
    EXPECT_EQ(gpus, row.gpus);
    EXPECT_EQ(bytes, row.bytes);
  }
}

}  // namespace
}  // namespace slipway::policy
