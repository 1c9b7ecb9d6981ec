#include "kube/model_pods.h"

#include <gmock/gmock.h>

namespace slipway::kube {
namespace {

using codec::field, codec::text;

Json pod(const std::string& name, const Json& status, const std::string& node = "n1") {
  return {{"metadata",
           {{"name", name},
            {"labels", {{kModelLabel, "qwen"}, {kFrameworkLabel, "vllm"}}},
            {"annotations", {{kModelIdAnnotation, "Qwen/Qwen3-8B"}}}}},
          {"spec", {{"nodeName", node}}},
          {"status", status}};
}
Json waiting(const std::string& reason, const std::string& message) {
  return {{"phase", "Pending"},
          {"containerStatuses",
           Json::array({{{"restartCount", 2},
                         {"state", {{"waiting", {{"reason", reason}, {"message", message}}}}},
                         {"lastState", {{"terminated", {{"exitCode", 137}, {"reason", "OOMKilled"}}}}}}})}};
}
Json condition(const char* type, const char* status, const char* message = "") {
  return {{"phase", "Running"},
          {"conditions", Json::array({{{"type", type}, {"status", status}, {"message", message}}})}};
}

struct Case {
  const char* state;
  Json pod;
  const char* phase;
};

TEST(ModelPods, APodsStateIsWhatAPersonWantsToKnow) {
  Json leaving = pod("p", condition("Ready", "True"));
  leaving["metadata"]["deletionTimestamp"] = "2026-11-24T00:00:00Z";
  for (const Case& c :
       {Case{"ready", pod("p", condition("Ready", "True")), ""}, Case{"draining", leaving, ""},
        Case{"pending", pod("p", condition("PodScheduled", "False", "0/2 nodes are available"), ""),
             "0/2 nodes are available"},
        Case{"starting", pod("p", waiting("ContainerCreating", "")), "ContainerCreating"},
        Case{"starting", pod("p", {{"phase", "Running"}}), "runs, not ready yet"},
        Case{"failed", pod("p", waiting("ImagePullBackOff", "no such tag")), "ImagePullBackOff: no such tag"},
        Case{"crash_loop", pod("p", waiting("CrashLoopBackOff", "back-off 40s")),
             "CrashLoopBackOff: back-off 40s"},
        Case{"failed", pod("p", {{"phase", "Failed"}}), "Failed"}}) {
    const Json replica = replica_of(c.pod);
    EXPECT_EQ(text(replica, "state"), c.state);
    EXPECT_EQ(text(field(replica, "progress"), "phase"), c.phase);
  }
  EXPECT_EQ(text(replica_of(pod("p", waiting("CrashLoopBackOff", ""))), "last_exit"), "exit 137 (OOMKilled)");
}

TEST(ModelPods, AModelIsAsGoodAsItsWorstReplica) {
  const Json models = models_of(Json::array({pod("a", condition("Ready", "True")),
                                             pod("b", waiting("CrashLoopBackOff", "")),
                                             {{"metadata", {{"name", "other"}}}}}));
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(text(models[0], "id"), "qwen");
  EXPECT_EQ(text(models[0], "model"), "Qwen/Qwen3-8B");
  EXPECT_EQ(text(models[0], "state"), "crash_loop");
  EXPECT_EQ(models[0]["replicas"].size(), 2u);
  EXPECT_EQ(text(models_of(Json::array({pod("a", condition("Ready", "True"))}))[0], "state"), "ready");
}

TEST(ModelPods, MetricsAreWhereTheFrameworkHasThem) {
  Json vllm = pod("p", {}), triton = pod("p", {}), nim = pod("p", {});
  vllm["spec"]["containers"] = {{{"ports", {{{"name", "http"}, {"containerPort", 8000}}}}}};
  triton["spec"]["containers"] = {
      {{"ports",
        {{{"name", "http"}, {"containerPort", 8000}}, {{"name", "metrics"}, {"containerPort", 8002}}}}}};
  nim["metadata"]["labels"][kFrameworkLabel] = "nim-container";
  EXPECT_EQ(metrics_of(vllm).port, 8000);
  EXPECT_EQ(metrics_of(vllm).path, "/metrics");
  EXPECT_EQ(metrics_of(triton).port, 8002);
  EXPECT_EQ(metrics_of(nim).path, "/v1/metrics");
}

}  // namespace
}  // namespace slipway::kube
