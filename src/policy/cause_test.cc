// Size: a table of every cause, with its facts.
#include "policy/cause.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/cause_parts.h"

namespace slipway::policy {
namespace {

using domain::ConditionFact, domain::ContainerFact, domain::EventFact, domain::ModelFacts, domain::NodeFact,
    domain::PodFact;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// -- facts, as kube/pod_facts and control/model_facts make them ---------------------------------------------

NodeFact node(std::string name, double cpu = 2) {
  return {.name = std::move(name),
          .ready = true,
          .labels = {{"kubernetes.io/arch", "amd64"}},
          .allocatable = {{"cpu", cpu}, {"memory", 8e9}}};
}

ModelFacts facts(PodFact pod) {
  return {.id = "qwen", .name_space = "models", .wanted = 1, .pods = {std::move(pod)}, .nodes = {node("n1")}};
}

PodFact waiting_for_a_node(const std::string& scheduler) {
  PodFact pod{.name = "qwen-a", .phase = "Pending", .age_s = 60};
  pod.conditions = {
      {.type = "PodScheduled", .status = "False", .reason = "Unschedulable", .message = scheduler}};
  pod.requests = {{"cpu", 100}, {"memory", 1e9}};
  pod.selector = {{"kubernetes.io/arch", "amd64"}};
  return pod;
}
constexpr const char* kNoPreemption =
    " no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for "
    "scheduling.";

ContainerFact container() {
  return {.name = "server", .image = "vllm/vllm-openai:v0.32.0"};
}
ContainerFact waits(std::string reason, std::string message = "") {
  ContainerFact c = container();
  c.waiting_reason = std::move(reason);
  c.waiting_message = std::move(message);
  return c;
}
ContainerFact crashed(int code, std::string reason, std::vector<std::string> log) {
  ContainerFact c = waits("CrashLoopBackOff", "back-off 40s restarting failed container");
  c.ended = true;
  c.restarts = 4;
  c.exit_code = code;
  c.exit_reason = std::move(reason);
  c.log = std::move(log);
  return c;
}
ContainerFact running(double seconds, double log_age_s, std::vector<std::string> log) {
  ContainerFact c = container();
  c.running = true;
  c.running_s = seconds;
  c.startup_limit_s = 1800;
  c.log_age_s = log_age_s;
  c.log = std::move(log);
  return c;
}
// Its startup probe passed so long ago.
ContainerFact unready_for(double seconds) {
  ContainerFact c = running(seconds, 1, {});
  c.started = true;
  return c;
}
PodFact on_node(ContainerFact c) {
  return {.name = "qwen-a", .phase = "Running", .node = "n1", .age_s = 600, .containers = {std::move(c)}};
}
PodFact with_event(PodFact pod, std::string reason, std::string message) {
  pod.events.push_back({.reason = std::move(reason), .message = std::move(message), .age_s = 5});
  return pod;
}
PodFact healthy(std::string name = "qwen-a") {
  PodFact pod = on_node(running(600, 1, {}));
  pod.name = std::move(name);
  pod.ready = pod.containers[0].ready = pod.containers[0].started = true;
  return pod;
}

// -- the table ---------------------------------------------------------------------------------------------

struct Case {
  const char* name;
  ModelFacts facts;
  Trouble trouble;
  const char* sentence;  // a part of it
  const char* next;      // a part of it
};

std::vector<Case> unscheduled() {
  ModelFacts gpu = facts(waiting_for_a_node("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."));
  gpu.pods[0].requests["nvidia.com/gpu"] = 1;
  ModelFacts full = facts(waiting_for_a_node("0/1 nodes are available: 1 Insufficient memory."));
  ModelFacts label = facts(
      waiting_for_a_node("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."));
  label.pods[0].selector["slipway.dev/accelerator"] = "nvidia";
  ModelFacts taint = facts(
      waiting_for_a_node("0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: team-a}."));
  taint.nodes[0].taints = {{"dedicated", "team-a", "NoSchedule"}};
  // Later versions of the scheduler name no taint: the nodes do.
  ModelFacts unnamed =
      facts(waiting_for_a_node("0/1 nodes are available: 1 node(s) had untolerated taint(s)."));
  unnamed.nodes[0].taints = {{"nvidia.com/gpu", "", "NoSchedule"}, {"soft", "", "PreferNoSchedule"}};
  ModelFacts by_event = facts(waiting_for_a_node(""));
  by_event.pods[0].conditions.clear();
  by_event.pods[0] =
      with_event(by_event.pods[0], "FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.");
  return {
      {"cpu",
       facts(waiting_for_a_node(std::string("0/1 nodes are available: 1 Insufficient cpu.") + kNoPreemption)),
       Trouble::no_node_fits, "cpu 100 (the largest node has 2)", "kubectl describe nodes"},
      {"cpu by event", by_event, Trouble::no_node_fits, "cpu 100", "slipway deploy FILE"},
      {"gpu", gpu, Trouble::no_node_fits, "nvidia.com/gpu 1 (no node has any)", "kubectl describe nodes"},
      {"full", full, Trouble::no_node_fits, "memory 1.0 GB (nodes that are large enough are full)", ""},
      {"label", label, Trouble::no_node_fits, "none has the label slipway.dev/accelerator=nvidia",
       "kubectl get nodes -L kubernetes.io/arch,slipway.dev/accelerator"},
      {"taint", taint, Trouble::taint, "dedicated=team-a:NoSchedule", "tolerations"},
      {"taint by nodes", unnamed, Trouble::taint, "it: nvidia.com/gpu:NoSchedule", "tolerations"},
      {"affinity",
       facts(waiting_for_a_node("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.")),
       Trouble::topology, "didn't match pod anti-affinity rules", "topology.kubernetes.io/zone"},
      {"spread",
       facts(waiting_for_a_node(
           "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints "
           "(missing required label).")),
       Trouble::topology, "topology spread", "topologySpreadConstraints"},
      {"claim not there",
       facts(waiting_for_a_node("0/1 nodes are available: persistentvolumeclaim \"weights\" not found.")),
       Trouble::volume, "persistentvolumeclaim \"weights\" not found", "get pvc"},
      {"cordoned", facts(waiting_for_a_node("0/1 nodes are available: 1 node(s) were unschedulable.")),
       Trouble::node_lost, "cordoned", "kubectl get nodes"},
  };
}

ModelFacts with_claim(const std::string& storage_class, std::vector<EventFact> events) {
  ModelFacts out =
      facts(waiting_for_a_node("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."));
  out.pods[0].claims = {"weights"};
  out.claims = {
      {.name = "weights", .phase = "Pending", .storage_class = storage_class, .events = std::move(events)}};
  return out;
}
ModelFacts with_node_claim(const std::string& reason, const std::string& message) {
  ModelFacts out = facts(waiting_for_a_node("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."));
  out.node_claims = {{.name = "gpu-x7", .pool = "gpu"}};
  out.node_claims[0].conditions = {
      {.type = "Launched", .status = "False", .reason = reason, .message = message}};
  return out;
}

std::vector<Case> waiting_for_others() {
  ModelFacts quota{.id = "qwen", .name_space = "models", .wanted = 1};
  quota.owners = {{.kind = "ReplicaSet", .name = "qwen-7c", .wanted = 1}};
  quota.owners[0].events = {
      {.reason = "FailedCreate",
       .message = "Error creating: pods \"qwen-7c-x\" is forbidden: exceeded quota: team, requested: "
                  "requests.cpu=4, used: requests.cpu=6, limited: requests.cpu=8"}};
  ModelFacts security = quota;
  security.owners[0].events[0].message =
      "Error creating: pods \"qwen-7c-x\" is forbidden: violates PodSecurity \"restricted:latest\": "
      "privileged";
  ModelFacts by_condition = quota;
  by_condition.owners[0].events.clear();
  by_condition.owners[0].conditions = {{.type = "ReplicaFailure",
                                        .status = "True",
                                        .reason = "FailedCreate",
                                        .message = "exceeded quota: team, requested: pods=1, used: pods=0, "
                                                   "limited: pods=0"}};
  ModelFacts coming = with_node_claim("", "");
  coming.node_claims[0].conditions = {{.type = "Registered", .status = "Unknown", .reason = "NodeNotFound"}};
  coming.pods[0] = with_event(coming.pods[0], "Nominated", "Pod should schedule on: nodeclaim/gpu-x7");
  ModelFacts pool_limit =
      facts(with_event(waiting_for_a_node(""), "FailedScheduling",
                       "Failed to schedule pod, all available instance types exceed limits "
                       "for nodepool: \"gpu\""));
  pool_limit.pods[0].conditions.clear();
  return {
      {"namespace quota", quota, Trouble::quota,
       "quota team of namespace models is used up: the replica asks for requests.cpu=4; in use "
       "requests.cpu=6, limit requests.cpu=8",
       "describe resourcequota team"},
      {"namespace quota by condition", by_condition, Trouble::quota, "quota team", "resourcequota team"},
      {"pod security", security, Trouble::refused, "Pod Security \"restricted:latest\"", "namespace models"},
      {"vcpu quota",
       with_node_claim("LaunchFailed",
                       "VcpuLimitExceeded: You have requested more vCPU capacity than your current "
                       "vCPU limit of 0 allows"),
       Trouble::quota, "quota of processors is too small for node pool gpu", "slipway plan -f FILE --live"},
      {"capacity",
       with_node_claim("LaunchFailed",
                       "InsufficientInstanceCapacity: We currently do not have sufficient "
                       "g6e.2xlarge capacity in us-west-2a"),
       Trouble::capacity, "no machine now for node pool gpu", "Allow more instance types or zones"},
      {"a node is coming", coming, Trouble::starting, "a node for it is on its way", "slipway why qwen"},
      {"pool limit", pool_limit, Trouble::quota, "own limit", "kubectl get nodepools"},
      {"no storage class",
       with_claim("fast", {{.reason = "ProvisioningFailed",
                            .message = "storageclass.storage.k8s.io \"fast\" not found"}}),
       Trouble::volume, "claim weights names storage class \"fast\", which does not exist",
       "describe pvc weights"},
      {"no class and no default",
       with_claim(
           "", {{.reason = "FailedBinding",
                 .message = "no persistent volumes available for this claim and no storage class is set"}}),
       Trouble::volume, "names no storage class", "storageclass"},
      {"no provisioner",
       with_claim("gp3",
                  {{.reason = "ExternalProvisioning",
                    .message = "Waiting for a volume to be created either by the external provisioner"}}),
       Trouble::volume, "waits for a volume of class gp3", "describe pvc weights"},
  };
}

std::vector<Case> stopped() {
  ModelFacts lost = facts(on_node(running(600, 1, {})));
  lost.nodes[0].ready = false;
  ModelFacts evicted = facts(on_node(container()));
  evicted.pods[0].phase = "Failed";
  evicted.pods[0].reason = "Evicted";
  evicted.pods[0].message = "The node was low on resource: ephemeral-storage.";
  ContainerFact start_error = crashed(128, "StartError", {});
  start_error.exit_message = "exec: \"vlm\": executable file not found in $PATH";
  ContainerFact limited = crashed(137, "OOMKilled", {});
  limited.memory_limit = "64Mi";
  ContainerFact begun_anew = running(5, 1, {"loading"});
  begun_anew.ended = true;
  begun_anew.exit_code = 1;
  begun_anew.restarts = 2;
  return {
      {"no such image",
       facts(with_event(on_node(waits("ImagePullBackOff", "Back-off pulling image \"x\"")), "Failed",
                        "Failed to pull image \"x\": failed to resolve reference: x:1: not found")),
       Trouble::image_pull, "there is no such image or tag", "inference.modelServer.image"},
      {"registry login",
       facts(on_node(waits("ErrImagePull",
                           "pull access denied, repository does not exist or may require "
                           "authorization: server message: insufficient_scope"))),
       Trouble::image_pull, "credentials", "imagePullSecrets"},
      {"rate limit", facts(on_node(waits("ErrImagePull", "429 Too Many Requests - toomanyrequests"))),
       Trouble::image_pull, "rate limit", "Wait"},
      {"registry not reached",
       facts(on_node(waits("ErrImagePull", "dial tcp: lookup registry.example: no such host"))),
       Trouble::image_pull, "cannot be reached", "way out"},
      {"no way out", facts(on_node(waits("ErrImagePull", "dial udp 10.0.0.2:53: connect: no route to host"))),
       Trouble::image_pull, "cannot be reached", "way out"},
      {"never pulled", facts(on_node(waits("ErrImageNeverPull", "not present with pull policy of Never"))),
       Trouble::image_pull, "forbids pulling", "Load it on the node"},
      {"secret", facts(on_node(waits("CreateContainerConfigError", "secret \"hf-token\" not found"))),
       Trouble::missing_secret, "Secret hf-token is not in namespace models", "slipway secret set hf-token"},
      {"key of a secret",
       facts(on_node(
           waits("CreateContainerConfigError", "couldn't find key HF_TOKEN in Secret models/ngc-api"))),
       Trouble::missing_secret, "Secret ngc-api has no key HF_TOKEN",
       "create secret generic ngc-api --from-file=HF_TOKEN=FILE"},
      {"mounted secret",
       facts(with_event(on_node(waits("ContainerCreating")), "FailedMount",
                        "MountVolume.SetUp failed for volume \"key\" : secret \"hf-token\" not found")),
       Trouble::missing_secret, "Secret hf-token", "slipway secret set hf-token"},
      {"configmap",
       facts(on_node(waits("CreateContainerConfigError", "configmap \"qwen-config\" not found"))),
       Trouble::missing_config, "ConfigMap qwen-config is not in namespace models", "configmaps"},
      {"gated",
       facts(on_node(
           crashed(1, "Error",
                   {"Traceback (most recent call last):", "OSError: You are trying to access a gated repo.",
                    "Make sure to have access to it."}))),
       Trouble::gated_model, "licence", "slipway secret set hf-token"},
      {"gated by our own fetcher",
       facts(on_node(crashed(1, "Error", {"https://hub/x: 403; its licence must be accepted on the hub"}))),
       Trouble::gated_model, "licence", "secret set"},
      {"killed for memory", facts(on_node(limited)), Trouble::out_of_memory, "its limit is 64Mi", "memory"},
      {"137 without a word", facts(on_node(crashed(137, "Error", {}))), Trouble::out_of_memory, "most likely",
       "memory"},
      {"cuda",
       facts(on_node(crashed(
           1, "Error", {"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "bye"}))),
       Trouble::out_of_memory, "accelerator", "maxModelLen"},
      {"crash", facts(on_node(crashed(3, "Error", {"ValueError: no such model", "exiting"}))),
       Trouble::crash_loop, "its program ends with exit code 3", "slipway logs qwen-a"},
      {"crash, begun anew", facts(on_node(begun_anew)), Trouble::crash_loop, "exit code 1", "slipway logs"},
      {"startup probe",
       facts(with_event(on_node(crashed(137, "Error", {})), "Killing",
                        "Container server failed startup probe, will be restarted")),
       Trouble::crash_loop, "startup time", "failureThreshold"},
      {"liveness probe",
       facts(with_event(on_node(crashed(137, "Error", {})), "Killing",
                        "Container server failed liveness probe, will be restarted")),
       Trouble::crash_loop, "liveness", "slipway logs"},
      {"cannot start", facts(on_node(start_error)), Trouble::cannot_start, "cannot be run", "command"},
      {"slow", facts(on_node(running(300, 4, {"Loading shards: 40 %"}))), Trouble::slow_start,
       "still makes progress", "Wait"},
      {"silent", facts(on_node(running(900, 700, {"Loading shards: 40 %"}))), Trouble::no_progress,
       "nothing new for minutes", "exec qwen-a"},
      {"mute", facts(on_node(running(900, -1, {}))), Trouble::no_progress, "has said nothing", "exec"},
      {"just started", facts(on_node(running(3, -1, {}))), Trouble::starting, "a moment ago",
       "slipway why qwen"},
      {"not ready",
       facts(with_event(on_node(unready_for(600)), "Unhealthy",
                        "Readiness probe failed: HTTP probe failed with 503")),
       Trouble::not_ready, "readiness probe fails", "slipway logs"},
      {"started a moment ago", facts(on_node(unready_for(4))), Trouble::starting, "not answered yet",
       "status"},
      {"not ready, and nobody says why", facts(on_node(unready_for(300))), Trouble::not_ready,
       "readiness probe fails", "slipway logs"},
      {"pulling",
       facts(
           with_event(on_node(waits("ContainerCreating")), "Pulling", "Pulling image \"vllm/vllm-openai\"")),
       Trouble::starting, "image is being pulled", "Wait"},
      {"no runtime",
       facts(with_event(on_node(waits("ContainerCreating")), "FailedCreatePodSandBox",
                        "no runtime for \"nvidia\" is configured")),
       Trouble::cannot_start, "runtime class", "describe node n1"},
      {"evicted", evicted, Trouble::evicted, "put out of its node", "describe node n1"},
      {"node lost", lost, Trouble::node_lost, "node n1 is not ready", "describe node n1"},
  };
}

TEST(Causes, EachIsToldWithEvidenceAndTheNextCommand) {
  std::vector<Case> all = unscheduled();
  for (auto more : {waiting_for_others(), stopped()}) all.insert(all.end(), more.begin(), more.end());
  for (const Case& c : all) {
    const std::vector<Finding> found = causes(c.facts);
    ASSERT_FALSE(found.empty()) << c.name;
    EXPECT_EQ(to_string(found[0].trouble), to_string(c.trouble)) << c.name << ": " << found[0].sentence;
    EXPECT_THAT(found[0].sentence, HasSubstr(c.sentence)) << c.name;
    EXPECT_THAT(found[0].next, HasSubstr(c.next)) << c.name;
    EXPECT_THAT(found[0].next, Not(IsEmpty())) << c.name;
    if (c.trouble != Trouble::starting) EXPECT_THAT(found[0].evidence, Not(IsEmpty())) << c.name;
  }
}

// -- order, merging, honesty -------------------------------------------------------------------------------

TEST(Causes, TheNodeThatCameFurthestInTheSchedulersTestsIsToldFirst) {
  ModelFacts f =
      facts(waiting_for_a_node("0/6 nodes are available: 1 node(s) didn't match pod topology spread "
                               "constraints, 2 Insufficient cpu, 3 node(s) "
                               "had untolerated taint {CriticalAddonsOnly: true}. preemption: 0/6 nodes are "
                               "available: 6 No preemption "
                               "victims found for incoming pod."));
  std::vector<std::string_view> kinds;
  for (const Finding& finding : causes(f)) kinds.push_back(to_string(finding.trouble));
  EXPECT_THAT(kinds, ElementsAre("topology", "no_node_fits", "taint"));
}

TEST(Causes, AClaimThatIsKnownIsToldOnce) {
  const auto found = causes(with_claim(
      "fast",
      {{.reason = "ProvisioningFailed", .message = "storageclass.storage.k8s.io \"fast\" not found"}}));
  EXPECT_EQ(found.size(), 1u);
}

TEST(Causes, AMountThatIsOnlyLateIsNoTrouble) {
  const auto found =
      causes(facts(with_event(on_node(waits("ContainerCreating")), "FailedMount",
                              "MountVolume.SetUp failed for volume \"kube-api-access\" : failed to sync "
                              "configmap cache: timed out waiting for the condition")));
  EXPECT_EQ(found[0].trouble, Trouble::starting);
}

TEST(Causes, OtherNodesLabelsAreNoCauseWhereANodeHasThemAll) {
  ModelFacts f =
      facts(waiting_for_a_node("0/2 nodes are available: 1 node(s) didn't match Pod's node "
                               "affinity/selector, 1 node(s) had untolerated taint "
                               "{dedicated: team-a}."));
  f.pods[0].selector = {{"pool", "gpu"}};
  f.nodes.push_back(node("n2"));
  f.nodes[1].labels = {{"pool", "gpu"}};
  f.nodes[1].taints = {{"dedicated", "team-a", "NoSchedule"}};
  EXPECT_EQ(causes(f).size(), 1u);
  EXPECT_EQ(causes(f)[0].trouble, Trouble::taint);
  f.pods[0].node_affinity = true;  // rules that nobody here evaluates
  EXPECT_EQ(causes(f)[0].trouble, Trouble::no_node_fits);
}

TEST(Causes, WhatTheCloudRefusesGoesBeforeWhatTheSchedulerSees) {
  const auto found = causes(with_node_claim("LaunchFailed", "UnfulfillableCapacity"));
  ASSERT_GE(found.size(), 2u);
  EXPECT_EQ(found[0].trouble, Trouble::capacity);
  EXPECT_THAT(found[0].evidence, Contains(HasSubstr("node claim gpu-x7: condition Launched=False")));
  EXPECT_EQ(found[1].trouble, Trouble::no_node_fits);
}

TEST(Causes, ANodeClaimOfAnotherPoolHoldsNobodyUp) {
  ModelFacts f = with_node_claim("LaunchFailed", "InsufficientInstanceCapacity");
  f.node_claims[0].allowed = {{"kubernetes.io/arch", {"arm64"}}};
  EXPECT_EQ(causes(f)[0].trouble, Trouble::no_node_fits);
}

TEST(Causes, ANodeThatComesForSomebodyElseIsNoReasonToWait) {
  ModelFacts f = with_node_claim("", "");
  f.node_claims[0].conditions = {{.type = "Registered", .status = "Unknown"}};
  EXPECT_EQ(causes(f)[0].trouble, Trouble::no_node_fits);
}

TEST(Causes, AClaimThatKarpenterGaveUpStillTellsWhy) {
  ModelFacts f = with_node_claim("", "");
  f.node_claims[0] = {.name = "gpu-x7", .pool = "gpu", .gone = true};
  f.node_claims[0].events = {{.reason = "InsufficientCapacityError",
                              .message = "all requested instance types were unavailable during launch"}};
  EXPECT_EQ(causes(f)[0].trouble, Trouble::no_node_fits);  // it was somebody else's
  f.pods[0] = with_event(f.pods[0], "Nominated", "Pod should schedule on: nodeclaim/gpu-x7");
  EXPECT_EQ(causes(f)[0].trouble, Trouble::capacity);
}

TEST(Causes, TheSameCauseOfSeveralReplicasIsToldOnce) {
  ModelFacts f = facts(on_node(waits("CreateContainerConfigError", "secret \"hf-token\" not found")));
  f.pods.push_back(f.pods[0]);
  f.pods[1].name = "qwen-b";
  f.wanted = 2;
  const auto found = causes(f);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0].replicas, ElementsAre("qwen-a", "qwen-b"));
}

TEST(Causes, AHealthyModelHasNothingWrong) {
  ModelFacts f = facts(healthy());
  f.pods.push_back(healthy("qwen-b"));
  f.wanted = 2;
  auto found = causes(f);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].trouble, Trouble::ready);
  EXPECT_THAT(found[0].sentence, HasSubstr("2 of 2 ready; nothing is wrong"));
  // One that ends beside them, as in a rolling update, is no trouble.
  f.pods.push_back(healthy("qwen-c"));
  f.pods[2].leaving = true;
  found = causes(f);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].trouble, Trouble::ready);
  EXPECT_EQ(found[1].trouble, Trouble::leaving);
}

TEST(Causes, AJobThatIsDoneHasNothingWrong) {
  ModelFacts f = facts(on_node(crashed(0, "Completed", {})));
  f.pods[0].phase = "Succeeded";
  EXPECT_EQ(causes(f)[0].trouble, Trouble::ready);
}

TEST(Causes, OneBadReplicaIsNotHiddenByGoodOnes) {
  ModelFacts f = facts(healthy());
  f.pods.push_back(on_node(crashed(1, "Error", {"boom"})));
  f.wanted = 2;
  const auto found = causes(f);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].trouble, Trouble::crash_loop);
  EXPECT_THAT(found[0].evidence, Contains("log: boom"));
}

TEST(Causes, WhatIsNotKnownIsSaidWithTheEvidence) {
  PodFact odd{.name = "qwen-a", .phase = "Running", .node = "n1", .age_s = 600};
  odd.conditions = {
      {.type = "Ready", .status = "False", .reason = "ReadinessGatesNotReady", .message = "gate"}};
  const auto found = causes(facts(with_event(odd, "Odd", "never seen before")));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].trouble, Trouble::not_known);
  EXPECT_THAT(found[0].evidence, Contains(HasSubstr("ReadinessGatesNotReady")));
  EXPECT_THAT(found[0].evidence, Contains(HasSubstr("never seen before")));
}

TEST(Causes, WithoutAnyReplicaTheOwnersWordsAreTheEvidence) {
  ModelFacts f{.id = "qwen", .name_space = "models"};
  f.owners = {{.kind = "RayService", .name = "qwen"}};
  f.owners[0].conditions = {
      {.type = "Ready", .status = "False", .reason = "Initializing", .message = "no head"}};
  auto found = causes(f);
  EXPECT_EQ(found[0].trouble, Trouble::not_known);
  EXPECT_THAT(found[0].evidence, ElementsAre("RayService: condition Ready=False (Initializing): no head"));
  f.wanted = 0;
  found = causes(f);
  EXPECT_EQ(found[0].trouble, Trouble::scaled_to_zero);
}

TEST(Causes, NoMixOfFactsLeavesTheAnswerEmpty) {
  // Every waiting reason that is known or not, with and without a node, an end, and words that mean nothing.
  for (const char* reason : {"", "ContainerCreating", "CrashLoopBackOff", "ErrImagePull", "Unheard"})
    for (const bool scheduled : {false, true})
      for (const bool ended : {false, true})
        for (const char* message :
             {"", "{", "available: ", "0/1 nodes are available: , 9999999999999 x", "secret \""}) {
          ContainerFact c = waits(reason, message);
          c.ended = ended;
          PodFact pod = scheduled ? on_node(c) : waiting_for_a_node(message);
          pod = with_event(pod, "FailedMount", message);
          const auto found = causes(facts(pod));
          ASSERT_FALSE(found.empty());
          EXPECT_FALSE(found[0].sentence.empty());
        }
}

TEST(Signs, TheNewestLineThatHasOneCountsAndOrdinaryLinesHaveNone) {
  EXPECT_FALSE(sign_in({"GET /v1/models 401 Unauthorized", "INFO out of memory budget: none", "403"}));
  const auto sign = sign_in({"CUDA out of memory", "401 Client Error: huggingface.co/x", "exiting"});
  ASSERT_TRUE(sign);
  EXPECT_EQ(sign->trouble, Trouble::gated_model);
  EXPECT_THAT(sign->line, HasSubstr("401 Client Error"));
}

TEST(Signs, ALongLineKeepsItsBeginningAndItsReason) {
  const std::string line = shortened("failed to pull: " + std::string(1000, 'x') + ": no route to host");
  EXPECT_LE(line.size(), 410u);
  EXPECT_THAT(line, AllOf(testing::StartsWith("failed to pull: "), testing::EndsWith(": no route to host")));
  // No character is cut in two.
  std::string accents;
  for (int i = 0; i < 500; ++i) accents += "\u00e9";
  for (const char* before : {"", "x"}) {
    const std::string cut = shortened(before + accents);
    std::size_t bytes = 0;
    for (std::size_t at = cut.find("\u00e9"); at != std::string::npos; at = cut.find("\u00e9", at + 2))
      bytes += 2;
    EXPECT_EQ(bytes + std::string(before).size() + 5, cut.size());
  }
}

}  // namespace
}  // namespace slipway::policy
