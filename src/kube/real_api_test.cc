// The client against a real kube-apiserver: `./test.sh cluster` starts one and names its kubeconfig.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <set>

#include "base/ids.h"
#include "kube/informer.h"
#include "kube/lease.h"

namespace slipway::kube {
namespace {

using base::ErrorCode;
using namespace std::chrono_literals;

const Resource kNamespaces{"", "v1", "namespaces"}, kMaps{"", "v1", "configmaps"},
    kDeployments{"apps", "v1", "deployments"};

class RealApi : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const file = std::getenv("SLIPWAY_TEST_KUBECONFIG");
    if (file == nullptr) GTEST_SKIP() << "needs a kube-apiserver: ./test.sh cluster";
    kubeconfig_ = file;
    auto opened = Client::open(kubeconfig_);
    ASSERT_TRUE(opened) << opened.error().to_string();
    api_.emplace(*std::move(opened));
    const auto made =
        api_->apply(kNamespaces.path("", space_),
                    {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", space_}}}});
    ASSERT_TRUE(made) << made.error().to_string();
  }
  void TearDown() override {
    if (api_) EXPECT_TRUE(api_->erase(kNamespaces.path("", space_)));
  }
  Json map(const std::string& name, const std::string& value) const {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", name}, {"namespace", space_}, {"labels", {{"slipway.dev/test", "yes"}}}}},
            {"data", {{"value", value}}}};
  }

  std::filesystem::path kubeconfig_;
  std::optional<Client> api_;
  std::string space_ = "slipway-test-" + base::random_base32(8);
};

TEST_F(RealApi, AppliesReadsListsAndDeletes) {
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(api_->apply(kMaps.path(space_, fmt::format("m{}", i)), map(fmt::format("m{}", i), "1")));
  const auto one = api_->get(kMaps.path(space_, "m1"));
  ASSERT_TRUE(one && *one);
  EXPECT_EQ((**one)["data"]["value"], "1");
  const auto all = api_->list(kMaps.path(space_), "slipway.dev/test=yes");
  ASSERT_TRUE(all);
  EXPECT_EQ((*all)["items"].size(), 3u);
  EXPECT_EQ(*api_->erase(kMaps.path(space_, "m1")), true);
  EXPECT_EQ(*api_->erase(kMaps.path(space_, "m1")), false);
  EXPECT_FALSE(*api_->get(kMaps.path(space_, "m1")));
}

TEST_F(RealApi, AFieldThatTheApiDoesNotKnowIsRefusedByName) {
  Json wrong = map("wrong", "1");
  wrong["dta"] = Json::object();
  const auto done = api_->apply(kMaps.path(space_, "wrong"), wrong, true);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kubernetes_failed);
  EXPECT_THAT(done.error().to_string(), ::testing::HasSubstr("dta"));
}

TEST_F(RealApi, AnOldVersionDoesNotReplaceANewOne) {
  const auto first = api_->create(kMaps.path(space_), map("m", "1"));
  ASSERT_TRUE(first) << first.error().to_string();
  Json second = *first;
  second["data"]["value"] = "2";
  ASSERT_TRUE(api_->replace(kMaps.path(space_, "m"), second));
  const auto late = api_->replace(kMaps.path(space_, "m"), *first);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().param(), "Conflict");
}

TEST_F(RealApi, ADeploymentIsScaled) {
  const Json pod{{"metadata", {{"labels", {{"app", "x"}}}}},
                 {"spec", {{"containers", {{{"name", "x"}, {"image", "x:1"}}}}}}};
  ASSERT_TRUE(api_->apply(
      kDeployments.path(space_, "d"),
      {{"apiVersion", "apps/v1"},
       {"kind", "Deployment"},
       {"metadata", {{"name", "d"}, {"namespace", space_}}},
       {"spec", {{"replicas", 1}, {"selector", {{"matchLabels", {{"app", "x"}}}}}, {"template", pod}}}}));
  ASSERT_TRUE(api_->scale(kDeployments.path(space_, "d"), 3));
  const auto now = api_->get(kDeployments.path(space_, "d"));
  ASSERT_TRUE(now && *now);
  EXPECT_EQ((**now)["spec"]["replicas"], 3);
}

TEST_F(RealApi, AnInformerSeesWhatComesAndGoes) {
  ASSERT_TRUE(api_->apply(kMaps.path(space_, "before"), map("before", "1")));
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> names;
  const auto eventually = [&](const std::set<std::string>& wanted) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 30s, [&] { return names == wanted; });
  };
  auto watching = Client::open(kubeconfig_);
  ASSERT_TRUE(watching);
  const Informer informer(*std::move(watching),
                          {.path = kMaps.path(space_), .selector = "slipway.dev/test=yes"},
                          [&](const WatchedSet::Objects& objects, const std::string&) {
                            const std::lock_guard lock(mutex);
                            names.clear();
                            for (const auto& [key, value] : objects) names.insert(value["metadata"]["name"]);
                            changed.notify_all();
                          });
  EXPECT_TRUE(eventually({"before"}));
  ASSERT_TRUE(api_->apply(kMaps.path(space_, "after"), map("after", "1")));
  EXPECT_TRUE(eventually({"after", "before"}));
  ASSERT_TRUE(api_->erase(kMaps.path(space_, "before")));
  EXPECT_TRUE(eventually({"after"}));
}

TEST_F(RealApi, OneOfTwoLeadsUntilItLetsGoOrFallsSilent) {
  const auto candidate = [&](const std::string& name) {
    return Election(*Client::open(kubeconfig_), space_, "controller", name);
  };
  Election a = candidate("a"), b = candidate("b");
  const base::WallTime began = base::wall_now();
  base::MonotonicTime now{};  // our own clocks: nobody waits
  const auto wall = [&] {
    return began + std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  };
  const auto step = [&](Election& one) {
    const auto led = one.step(now, wall());
    EXPECT_TRUE(led) << led.error().to_string();
    return led && *led;
  };
  EXPECT_TRUE(step(a));
  EXPECT_FALSE(step(b));
  EXPECT_EQ(b.holder(), "a");
  now += Election::kDuration - 1s;
  EXPECT_FALSE(step(b));
  EXPECT_FALSE(a.leads(now));  // it gave up before anybody may take over
  EXPECT_TRUE(step(a));        // but nobody did
  now += 2s;
  EXPECT_FALSE(step(b));  // the record changed meanwhile
  now += Election::kDuration;
  EXPECT_TRUE(step(b));
  EXPECT_FALSE(step(a));
  EXPECT_FALSE(a.leads(now));
  ASSERT_TRUE(b.release(now, wall()));
  EXPECT_FALSE(b.leads(now));
  EXPECT_TRUE(step(a));
  const auto lease = api_->get("/apis/coordination.k8s.io/v1/namespaces/" + space_ + "/leases/controller");
  ASSERT_TRUE(lease && *lease);
  EXPECT_EQ((**lease)["spec"]["holderIdentity"], "a");
  EXPECT_EQ((**lease)["spec"]["leaseTransitions"], 4);  // a, b, nobody, a
}

TEST_F(RealApi, AWriteThatAnotherOvertookIsNoLeadership) {
  std::vector<std::unique_ptr<Election>> others;
  std::atomic<int> leaders{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      others.push_back(
          std::make_unique<Election>(*Client::open(kubeconfig_), space_, "race", std::to_string(i)));
      threads.emplace_back([&leaders, one = others.back().get()] {
        const auto led = one->step(base::MonotonicTime{}, base::wall_now());
        if (led && *led) ++leaders;
      });
    }
  }
  EXPECT_EQ(leaders, 1);
}

}  // namespace
}  // namespace slipway::kube
