#include "kube/watched_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"

namespace slipway::kube {
namespace {

Json object(const std::string& name, int version) {
  return {{"metadata", {{"namespace", "m"}, {"name", name}, {"resourceVersion", std::to_string(version)}}}};
}
Json list(int version, const std::vector<Json>& items) {
  return {{"metadata", {{"resourceVersion", std::to_string(version)}}}, {"items", items}};
}

TEST(WatchedSet, AListThenEvents) {
  WatchedSet set;
  EXPECT_TRUE(set.replace(list(10, {object("a", 3), object("b", 9)})));
  EXPECT_TRUE(set.take({"DELETED", object("a", 11)}));
  EXPECT_TRUE(set.take({"ADDED", object("c", 12)}));
  EXPECT_FALSE(set.take({"BOOKMARK", object("", 20)}));
  EXPECT_EQ(set.objects().size(), 2u);
  EXPECT_EQ(set.version(), "20");
}

TEST(WatchedSet, RepeatedAndLateEventsChangeNothing) {
  WatchedSet set;
  set.replace(list(10, {object("a", 3)}));
  const WatchEvent gone{"DELETED", object("a", 12)};
  EXPECT_TRUE(set.take(gone));
  EXPECT_FALSE(set.take(gone));
  EXPECT_FALSE(set.take({"MODIFIED", object("a", 11)})) << "from before it was deleted";
  EXPECT_TRUE(set.objects().empty());
  EXPECT_FALSE(set.replace(list(11, {object("a", 11)}))) << "a list from a server that lags";
  EXPECT_TRUE(set.objects().empty());
}

// A thousand endpoints come and go; the watch repeats and delays what it sends, and drops some, which the
// next list mends.
TEST(WatchedSet, AThousandObjectsChurnedThroughABadWatchEndAsTheyAre) {
  base::Rng rng(7);
  WatchedSet set;
  std::map<std::string, Json> truth;
  set.replace(list(1, {}));
  std::vector<WatchEvent> sent;
  int version = 1;
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = "e" + std::to_string(static_cast<int>(rng.unit() * 1000));
    const Json now = object(name, ++version);
    const bool there = truth.contains("m/" + name);
    const bool erase = there && rng.unit() < 0.4;
    const WatchEvent event{erase ? "DELETED" : there ? "MODIFIED" : "ADDED", now};
    if (erase)
      truth.erase("m/" + name);
    else
      truth["m/" + name] = now;
    sent.push_back(event);
    if (rng.unit() < 0.02) continue;  // dropped
    set.take(event);
    if (rng.unit() < 0.2)
      set.take(sent[static_cast<std::size_t>(rng.unit() * static_cast<double>(sent.size()))]);
  }
  EXPECT_NE(set.objects().size(), 0u);
  std::vector<Json> items;
  for (const auto& [key, value] : truth) items.push_back(value);
  ASSERT_TRUE(set.replace(list(++version, items)));
  EXPECT_EQ(set.objects(), truth);
}

}  // namespace
}  // namespace slipway::kube
