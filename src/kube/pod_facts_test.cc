// On objects as kube-apiserver 1.34, its scheduler and kubelet, and Karpenter 1.x write them.
#include "kube/pod_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// 2026-11-27T01:40:00Z
const base::WallTime kNow{std::chrono::milliseconds(1'795'743'600'000)};

Json parsed(const char* text) {
  auto json = codec::parse_json(text);
  EXPECT_TRUE(json) << text;
  return json.value_or(Json());
}

constexpr const char* kPod = R"({
  "apiVersion": "v1", "kind": "Pod",
  "metadata": {"name": "qwen-7c9-x", "namespace": "models", "creationTimestamp": "2026-11-27T01:30:00Z",
               "labels": {"slipway.dev/model": "qwen"}},
  "spec": {
    "nodeName": "ip-10-0-1-7", "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "initContainers": [{"name": "packages", "image": "ray:2", "resources": {"requests": {"cpu": "3", "memory": "1Gi"}}}],
    "containers": [{"name": "server", "image": "vllm/vllm-openai:v0.32.0",
      "resources": {"requests": {"cpu": "500m", "memory": "8Gi", "nvidia.com/gpu": "1"}, "limits": {"memory": "9Gi"}},
      "startupProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 10, "failureThreshold": 180}}],
    "volumes": [{"name": "cache", "persistentVolumeClaim": {"claimName": "weights"}}, {"name": "tmp", "emptyDir": {}}]},
  "status": {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers with unready status: [server]"}],
    "initContainerStatuses": [{"name": "packages", "restartCount": 0, "ready": true,
      "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
    "containerStatuses": [{"name": "server", "restartCount": 2, "ready": false, "started": false,
      "state": {"running": {"startedAt": "2026-11-27T01:39:30Z"}},
      "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "last words"}}}]}})";

TEST(PodFacts, APodIsTakenApart) {
  const domain::PodFact pod = pod_fact(parsed(kPod), kNow);
  EXPECT_EQ(pod.name, "qwen-7c9-x");
  EXPECT_EQ(pod.node, "ip-10-0-1-7");
  EXPECT_FALSE(pod.ready);
  EXPECT_FALSE(pod.leaving);
  EXPECT_DOUBLE_EQ(pod.age_s, 600);
  EXPECT_THAT(pod.claims, ElementsAre("weights"));
  EXPECT_THAT(pod.selector, ElementsAre(Pair("kubernetes.io/arch", "amd64")));
  EXPECT_THAT(pod.tolerations, ElementsAre(Pair("nvidia.com/gpu", "NoSchedule")));
  // The init container runs before the other: the larger of the two.
  EXPECT_THAT(pod.requests, UnorderedElementsAre(Pair("cpu", 3.0), Pair("memory", 8.0 * (1 << 30)),
                                                 Pair("nvidia.com/gpu", 1.0)));
  ASSERT_EQ(pod.containers.size(), 2u);
  EXPECT_TRUE(pod.containers[0].init);
  EXPECT_TRUE(pod.containers[0].ended);
  const domain::ContainerFact& server = pod.containers[1];
  EXPECT_TRUE(server.running);
  EXPECT_FALSE(server.started);
  EXPECT_DOUBLE_EQ(server.running_s, 30);
  EXPECT_DOUBLE_EQ(server.startup_limit_s, 1800);
  EXPECT_EQ(server.memory_limit, "9Gi");
  EXPECT_TRUE(server.ended);
  EXPECT_EQ(server.exit_code, 137);
  EXPECT_EQ(server.exit_reason, "OOMKilled");
  EXPECT_EQ(server.restarts, 2);
}

TEST(PodFacts, ASideCarIsNoStepOnTheWay) {
  Json pod = parsed(kPod);
  pod["spec"]["initContainers"][0]["restartPolicy"] = "Always";
  EXPECT_FALSE(pod_fact(pod, kNow).containers[0].init);
}

TEST(PodFacts, EventsAreThoseOfTheObjectNewestFirst) {
  const Json events = parsed(R"([
    {"involvedObject": {"kind": "Pod", "name": "a"}, "reason": "Pulled", "message": "old", "lastTimestamp": "2026-11-27T01:39:00Z", "count": 1},
    {"involvedObject": {"kind": "Pod", "name": "b"}, "reason": "Pulled", "message": "another pod", "lastTimestamp": "2026-11-27T01:39:59Z"},
    {"involvedObject": {"kind": "Pod", "name": "a"}, "reason": "FailedScheduling", "message": "new",
     "eventTime": "2026-11-27T01:35:00.123456Z", "series": {"count": 7, "lastObservedTime": "2026-11-27T01:39:50.000000Z"}},
    {"involvedObject": {"kind": "NodeClaim", "name": "a"}, "reason": "Launched", "message": "another kind"}])");
  const auto found = events_about(events, "Pod", "a", kNow);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].message, "new");
  EXPECT_EQ(found[0].count, 7);
  EXPECT_DOUBLE_EQ(found[0].age_s, 10);
  EXPECT_EQ(found[1].message, "old");
}

TEST(PodFacts, OwnersSayHowManyTheyWant) {
  EXPECT_EQ(owner_fact(parsed(R"({"kind": "Deployment", "spec": {"replicas": 3}})")).wanted, 3);
  EXPECT_EQ(owner_fact(parsed(R"({"kind": "Deployment", "spec": {}})")).wanted, 1);
  EXPECT_EQ(
      owner_fact(
          parsed(
              R"({"kind": "LeaderWorkerSet", "spec": {"replicas": 2, "leaderWorkerTemplate": {"size": 4}}})"))
          .wanted,
      8);
  const auto ray = owner_fact(parsed(R"({"kind": "RayService", "metadata": {"name": "q"},
    "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Initializing"}]}})"));
  EXPECT_LT(ray.wanted, 0);
  ASSERT_EQ(ray.conditions.size(), 1u);
  EXPECT_EQ(ray.conditions[0].reason, "Initializing");
}

TEST(PodFacts, ANodeClaimSaysWhereItMayBeAndWhatWasRefused) {
  const auto claim = node_claim_fact(parsed(R"({
    "metadata": {"name": "gpu-x7", "labels": {"karpenter.sh/nodepool": "gpu"}},
    "spec": {"requirements": [{"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot", "on-demand"]},
                              {"key": "karpenter.k8s.aws/instance-cpu", "operator": "Gt", "values": ["4"]}]},
    "status": {"conditions": [{"type": "Launched", "status": "Unknown", "reason": "LaunchFailed", "message": "VcpuLimitExceeded"},
                              {"type": "Ready", "status": "Unknown"}]}})"));
  EXPECT_EQ(claim.pool, "gpu");
  EXPECT_FALSE(claim.ready);
  EXPECT_THAT(claim.allowed,
              ElementsAre(Pair("karpenter.sh/capacity-type", ElementsAre("spot", "on-demand"))));
  EXPECT_EQ(claim.conditions[0].message, "VcpuLimitExceeded");
}

TEST(PodFacts, ANodeIsItsLabelsTaintsAndRoom) {
  const auto node = node_fact(parsed(R"({"metadata": {"name": "n1", "labels": {"a": "b"}},
    "spec": {"taints": [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]},
    "status": {"allocatable": {"cpu": "1930m", "memory": "7Gi", "pods": "29"}, "conditions": [{"type": "Ready", "status": "True"}]}})"));
  EXPECT_TRUE(node.ready);
  EXPECT_EQ(node.taints[0].key, "dedicated");
  EXPECT_DOUBLE_EQ(node.allocatable.at("cpu"), 1.93);
  EXPECT_DOUBLE_EQ(node.allocatable.at("pods"), 29);
  EXPECT_EQ(
      claim_fact(
          parsed(
              R"({"metadata": {"name": "w"}, "spec": {"storageClassName": "gp3"}, "status": {"phase": "Pending"}})"))
          .storage_class,
      "gp3");
}

TEST(PodFacts, ALogLosesItsTimesAndKeepsTheAgeOfItsNewestLine) {
  domain::ContainerFact c;
  add_log(
      c,
      "2026-11-27T01:39:00.000000001Z loading\n2026-11-27T01:39:56.500000000Z shards:  10%\rshards:  40%\r\n"
      "2026-11-27T01:39:57.000000000Z \nno time here\n",
      kNow);
  EXPECT_THAT(c.log, ElementsAre("loading", "shards:  40%", "no time here"));
  EXPECT_NEAR(c.log_age_s, 3, 0.01);
}

TEST(PodFacts, WhatIsNoObjectIsEmpty) {
  for (const char* text :
       {"null", "{}", "[]", "3", R"({"metadata": 1, "spec": [], "status": "x"})",
        R"({"spec": {"containers": [null, 1], "volumes": {}}, "status": {"containerStatuses": [{}]}})"}) {
    const Json json = parsed(text);
    EXPECT_EQ(pod_fact(json, kNow).name, "") << text;
    EXPECT_FALSE(node_fact(json).ready);
    EXPECT_THAT(node_claim_fact(json).conditions, IsEmpty());
    EXPECT_THAT(events_about(json, "Pod", "a", kNow), IsEmpty());
    EXPECT_EQ(claim_fact(json).phase, "");
    EXPECT_EQ(owner_fact(json).kind, "");
  }
  EXPECT_EQ(age_of("yesterday", kNow), 0);
  EXPECT_EQ(age_of("2026-13-41T00:00:00Z", kNow), 0);
  EXPECT_DOUBLE_EQ(age_of("2026-11-27T03:39:00.5+02:00", kNow), 60);
}

}  // namespace
}  // namespace slipway::kube
