#include "kube/endpoints.h"

#include <gmock/gmock.h>

#include "kube/model_pods.h"

namespace slipway::kube {
namespace {

using domain::ReplicaState;
using ::testing::ElementsAre, ::testing::IsEmpty, ::testing::SizeIs;

Json metadata(const std::string& name, const char* framework = "vllm") {
  return {{"name", name},
          {"namespace", "models"},
          {"creationTimestamp", "2026-11-24T06:55:01Z"},
          {"labels", {{kModelLabel, "qwen"}, {kFrameworkLabel, framework}, {"slipway.dev/port", "8000"}}},
          {"annotations", {{kModelIdAnnotation, "Qwen/Qwen3-8B"}}}};
}

Json pod(const std::string& name, const std::string& ip, bool ready) {
  return {{"metadata", metadata(name)},
          {"spec", {{"nodeName", "n1"}}},
          {"status",
           {{"phase", "Running"},
            {"podIP", ip},
            {"conditions", Json::array({{{"type", "Ready"}, {"status", ready ? "True" : "False"}}})}}}};
}

Json endpoint(const std::string& pod, const std::string& ip, bool ready, bool terminating = false) {
  return {{"addresses", Json::array({ip})},
          {"conditions", {{"ready", ready}, {"serving", true}, {"terminating", terminating}}},
          {"targetRef", {{"kind", "Pod"}, {"name", pod}}}};
}

Json slice(std::vector<Json> endpoints) {
  return {{"metadata", metadata("qwen-abc")},
          {"ports", Json::array({{{"name", "http"}, {"port", 8000}}})},
          {"endpoints", std::move(endpoints)}};
}

std::vector<ReplicaSighting> merged(const std::vector<Json>& pods, const std::vector<Json>& slices) {
  WatchedSet::Objects p, s;
  for (const Json& one : pods) p[codec::text(codec::field(one, "metadata"), "name")] = one;
  for (const Json& one : slices) s[std::to_string(s.size())] = one;
  return merge(pods_sighted(p), slices_sighted(s));
}

TEST(Endpoints, AReadyReplicaIsOneThatASliceNames) {
  const auto seen = merged({pod("a", "10.0.0.1", true)}, {slice({endpoint("a", "10.0.0.1", true)})});
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].id, "a");
  EXPECT_EQ(seen[0].model_id, "qwen");
  EXPECT_EQ(seen[0].alias, "Qwen/Qwen3-8B");
  EXPECT_EQ(seen[0].endpoint, (domain::Endpoint{{}, "10.0.0.1", 8000}));
  EXPECT_EQ(seen[0].state, ReplicaState::ready);
  EXPECT_EQ(seen[0].created, 1795503301);
}

TEST(Endpoints, AReadyPodThatNoSliceNamesMayNotBeAsked) {
  const auto seen = merged({pod("a", "10.0.0.1", true)}, {slice({endpoint("b", "10.0.0.2", false)})});
  ASSERT_THAT(seen, SizeIs(2));
  EXPECT_EQ(seen[0].state, ReplicaState::starting);
  EXPECT_EQ(seen[1].state, ReplicaState::starting);
}

TEST(Endpoints, APodThatGoesIsDrainingBeforeItsSliceKnows) {
  Json leaving = pod("a", "10.0.0.1", true);
  leaving["metadata"]["deletionTimestamp"] = "2026-11-24T07:00:00Z";
  EXPECT_EQ(merged({leaving}, {slice({endpoint("a", "10.0.0.1", true)})})[0].state, ReplicaState::draining);
}

TEST(Endpoints, ASliceThatSaysTerminatingDrainsAPodThatWasNotHeardOf) {
  EXPECT_EQ(merged({pod("a", "10.0.0.1", true)}, {slice({endpoint("a", "10.0.0.1", false, true)})})[0].state,
            ReplicaState::draining);
  EXPECT_EQ(merged({}, {slice({endpoint("a", "10.0.0.1", false, true)})})[0].state, ReplicaState::draining);
}

TEST(Endpoints, TheBestOfSeveralSlicesCounts) {
  EXPECT_EQ(merged({pod("a", "10.0.0.1", true)},
                   {slice({endpoint("a", "10.0.0.1", false)}), slice({endpoint("a", "10.0.0.1", true)})})[0]
                .state,
            ReplicaState::ready);
}

TEST(Endpoints, WhatIsNotAModelsIsPassedOver) {
  Json other = pod("a", "10.0.0.1", true);
  other["metadata"]["labels"].erase(kModelLabel);
  Json group = slice({endpoint("b", "10.0.0.2", true)});
  group["metadata"].erase("labels");
  EXPECT_THAT(merged({other}, {group}), IsEmpty());
}

TEST(Endpoints, BrokenObjectsDoNotStopTheOthers) {
  Json no_address = slice({{{"conditions", {{"ready", true}}}}});
  Json odd = pod("b", "10.0.0.2", true);
  odd["metadata"]["labels"]["slipway.dev/port"] = "eight";
  odd["metadata"]["creationTimestamp"] = "yesterday";
  const auto seen =
      merged({odd, {{"metadata", nullptr}}}, {no_address, slice({endpoint("b", "10.0.0.2", true)})});
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].endpoint.port, 8000);
  EXPECT_EQ(seen[0].created, 0);
}

TEST(Endpoints, APendingPodSaysWhatItWaitsFor) {
  Json waiting = {
      {"metadata", metadata("a")},
      {"status",
       {{"phase", "Pending"},
        {"conditions",
         Json::array(
             {{{"type", "PodScheduled"}, {"status", "False"}, {"message", "0/2 nodes are available"}}})}}}};
  const auto seen = merged({waiting}, {});
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].state, ReplicaState::pending);
  EXPECT_EQ(seen[0].waits_for, "0/2 nodes are available");
  EXPECT_TRUE(seen[0].endpoint.host.empty());
}

}  // namespace
}  // namespace slipway::kube
