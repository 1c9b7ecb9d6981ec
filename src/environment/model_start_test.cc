// The wait for a model against an API of the test's own, which changes from look to look.
#include "environment/model_start.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>
#include <mutex>

#include "io/files.h"
#include "io/http_test_support.h"
#include "kube/model_pods.h"

namespace slipway::environment {
namespace {

using base::ErrorCode;
using codec::text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

Json condition(const char* type, const char* time) {
  return {{"type", type}, {"status", "True"}, {"lastTransitionTime", time}};
}
// Made at :00; with `ready` its server started at :10 and was ready at :30.
Json pod(const std::string& name, bool ready) {
  Json out{{"metadata",
            {{"name", name},
             {"uid", "uid-" + name},
             {"creationTimestamp", "2026-11-27T07:00:00Z"},
             {"labels", {{kube::kModelLabel, "qwen"}, {kube::kFrameworkLabel, "vllm"}}}}},
           {"spec", {{"nodeName", "n1"}, {"containers", Json::array({{{"name", "vllm"}}})}}},
           {"status",
            {{"phase", "Running"},
             {"conditions", Json::array({condition("PodScheduled", "2026-11-27T07:00:02Z")})}}}};
  if (!ready) return out;
  out["status"]["conditions"].push_back(condition("Ready", "2026-11-27T07:00:30Z"));
  out["status"]["containerStatuses"] =
      Json::array({{{"name", "vllm"}, {"state", {{"running", {{"startedAt", "2026-11-27T07:00:10Z"}}}}}}});
  return out;
}
Json crashing(const std::string& name) {
  Json out = pod(name, false);
  out["status"]["containerStatuses"] =
      Json::array({{{"name", "vllm"}, {"state", {{"waiting", {{"reason", "CrashLoopBackOff"}}}}}}});
  return out;
}
Json deployment(int wanted, int updated, int all, int generation = 1, int observed = 1) {
  return {{"metadata", {{"generation", generation}}},
          {"spec", {{"replicas", wanted}}},
          {"status", {{"observedGeneration", observed}, {"updatedReplicas", updated}, {"replicas", all}}}};
}

TEST(Rollout, IsCompleteWhenTheNewReplicasAreReadyAndNoOldOneIsLeft) {
  const PodsBefore before = pods_before(Json::array({pod("old", true)}));
  struct Case {
    const char* what;
    Json pods, deployment;
    bool made, complete, replacing;
  };
  Json going = pod("old", true);
  going["metadata"]["deletionTimestamp"] = "2026-11-27T07:01:00Z";
  for (const Case& c : {
           Case{"the change was not seen yet", Json::array({pod("old", true)}), deployment(1, 1, 1, 2, 1),
                false, false, true},
           Case{"a new one starts", Json::array({pod("old", true), pod("new", false)}), deployment(1, 1, 2),
                true, false, true},
           Case{"both are ready", Json::array({pod("old", true), pod("new", true)}), deployment(1, 1, 2),
                true, false, true},
           Case{"the old one goes", Json::array({going, pod("new", true)}), deployment(1, 1, 1), true, true,
                false},
           Case{"nothing changed", Json::array({pod("old", true)}), deployment(1, 1, 1), true, true, false},
           Case{"one more is wanted", Json::array({pod("old", true)}), deployment(2, 1, 1), false, false,
                true},
       }) {
    const int wanted = static_cast<int>(codec::number(c.deployment["spec"], "replicas"));
    const Rollout now = rollout_of(c.pods, Json::array({c.deployment}), before, wanted);
    EXPECT_EQ(now.made, c.made) << c.what;
    EXPECT_EQ(now.complete, c.complete) << c.what;
    EXPECT_EQ(now.replacing, c.replacing) << c.what;
  }
}

TEST(Rollout, WithoutADeploymentThePodsAreCounted) {
  EXPECT_FALSE(rollout_of(Json::array({pod("a", true)}), Json::array(), {}, 2).complete);
  EXPECT_TRUE(rollout_of(Json::array({pod("a", true), pod("b", true)}), Json::array(), {}, 2).complete);
  EXPECT_FALSE(rollout_of(Json::array(), Json::array(), {}, 1).complete);
}

class ModelStartTest : public ::testing::Test {
 protected:
  using Looks = std::vector<Json>;  // the pods, look after look; the last one stands
  base::Result<StartedModel> wait(Looks looks, std::vector<Json> deployments, int replicas = 1,
                                  Json before = Json::array()) {
    looks_ = std::move(looks);
    looks_.insert(looks_.begin(), std::move(before));
    deployments_ = std::move(deployments);
    auto start = ModelStart::before(*api_, "m", "qwen", patience_);
    if (!start) return std::move(start).error();
    return start->wait(replicas, limit_, [&](const kube::StartPhase& phase, std::size_t n) {
      told_.push_back(fmt::format("{} {:g} {}", kube::to_string(phase.phase), phase.seconds, n));
    });
  }
  void SetUp() override {
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / fmt::format("slipway-start-{}", server_.endpoint().port);
    ASSERT_TRUE(io::write_file_atomic(
        file,
        fmt::format(
            "current-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n"
            "contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{}}}}]\n",
            server_.endpoint().port)));
    auto opened = kube::Client::open(file);
    ASSERT_TRUE(opened) << opened.error().to_string();
    std::filesystem::remove(file);
    api_.emplace(*std::move(opened));
  }

  std::vector<std::string> told_;
  bool nodes_allowed_ = true;
  base::Duration limit_ = 20s;

 private:
  // What stands first is answered first; the last one stands.
  static Json next(std::vector<Json>& answers) {
    Json now = answers.empty() ? Json::array() : answers.front();
    if (answers.size() > 1) answers.erase(answers.begin());
    return now;
  }
  io::Task<> serve(io::Exchange& x) {
    const std::string path(x.head().path());
    int status = 200;
    Json answer{{"items", Json::array()}};
    {
      const std::lock_guard lock(mutex_);
      if (path.ends_with("/namespaces/m/pods")) answer["items"] = next(looks_);
      if (path.ends_with("/deployments") && !deployments_.empty())
        answer["items"] = Json::array({next(deployments_)});
      if (path.starts_with("/api/v1/nodes")) {
        status = nodes_allowed_ ? 404 : 403;
        answer = {{"kind", "Status"}, {"reason", nodes_allowed_ ? "NotFound" : "Forbidden"}};
      }
    }
    (void)co_await x.respond(status, {{"Content-Type", "application/json"}}, answer.dump());
  }
  std::mutex mutex_;
  Looks looks_;
  std::vector<Json> deployments_;
  std::optional<kube::Client> api_;
  io::Patience patience_{nullptr, {}, 5ms};
  io::test::TestServer server_{[this](io::Exchange& x) { return serve(x); }};
};

TEST_F(ModelStartTest, APhaseIsToldOnceWhenAllReplicasAreThroughIt) {
  const Json half = Json::array({pod("a", true), pod("b", false)}),
             all = Json::array({pod("a", true), pod("b", true)});
  const auto started =
      wait({Json::array({pod("a", false)}), half, half, all}, {deployment(2, 1, 1), deployment(2, 2, 2)}, 2);
  ASSERT_TRUE(started) << started.error().to_string();
  EXPECT_THAT(told_, ElementsAre("scheduled 2 2", "loaded 20 2", "ready 30 2"));
  EXPECT_EQ(text(started->model, "state"), "ready");
  EXPECT_EQ(started->started, 2u);
  EXPECT_EQ(started->phases.size(), 3u);
}

TEST_F(ModelStartTest, WhatWasReadyBeforeHasNoPhases) {
  const Json same = Json::array({pod("a", true)});
  const auto started = wait({same}, {deployment(1, 1, 1)}, 1, same);
  ASSERT_TRUE(started) << started.error().to_string();
  EXPECT_TRUE(started->phases.empty() && told_.empty());
}

TEST_F(ModelStartTest, AnOldReplicaThatIsReadyDoesNotEndTheWait) {
  const Json old = Json::array({pod("old", true)}), both = Json::array({pod("old", true), pod("new", false)});
  const auto started =
      wait({old, both, Json::array({pod("new", true)})},
           {deployment(1, 1, 1, 2, 1), deployment(1, 1, 2, 2, 2), deployment(1, 1, 1, 2, 2)}, 1, old);
  ASSERT_TRUE(started) << started.error().to_string();
  EXPECT_EQ(text(started->model["replicas"][0], "id"), "new");
  EXPECT_THAT(told_, ElementsAre("scheduled 2 1", "loaded 20 1", "ready 30 1"));
}

TEST_F(ModelStartTest, AReplicaThatCannotRunEndsTheWaitUnlessItIsBeingReplaced) {
  const auto failed = wait({Json::array({crashing("a")})}, {deployment(1, 1, 1)});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::crash_loop);
  EXPECT_THAT(failed.error().to_string(), HasSubstr("slipway why a"));
  const Json broken = Json::array({crashing("old")});
  const auto mended =
      wait({Json::array({crashing("old"), pod("new", false)}), Json::array({pod("new", true)})},
           {deployment(1, 1, 2, 2, 2), deployment(1, 1, 1, 2, 2)}, 1, broken);
  EXPECT_TRUE(mended) << mended.error().to_string();
}

TEST_F(ModelStartTest, WithoutTheRightToReadNodesTheRestIsTold) {
  nodes_allowed_ = false;
  EXPECT_TRUE(wait({Json::array({pod("a", true)})}, {deployment(1, 1, 1)}));
  EXPECT_THAT(told_, ElementsAre("scheduled 2 1", "loaded 20 1", "ready 30 1"));
}

TEST_F(ModelStartTest, AWaitThatIsOverSaysWhatForAndHowToLearnMore) {
  limit_ = 0s;
  const auto late = wait({Json::array({pod("a", false)})}, {deployment(1, 1, 1)});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::timeout);
  EXPECT_THAT(late.error().to_string(), HasSubstr("0 of 1 replicas to be ready; a: runs, not ready yet"));
  EXPECT_THAT(late.error().to_string(), HasSubstr("slipway why qwen"));
}

}  // namespace
}  // namespace slipway::environment
