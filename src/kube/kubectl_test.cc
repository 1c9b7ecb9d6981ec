#include "kube/kubectl.h"

#include <gtest/gtest.h>

namespace slipway::kube {
namespace {

TEST(Health, ADeploymentNeedsAllItsReplicas) {
  const auto deployment = [](int available) {
    return Json{{"metadata", {{"generation", 2}}},
                {"spec", {{"replicas", 2}}},
                {"status", {{"observedGeneration", 2}, {"availableReplicas", available}}}};
  };
  EXPECT_TRUE(health_of("Deployment", deployment(2)).healthy);
  EXPECT_FALSE(health_of("Deployment", deployment(1)).healthy);
  EXPECT_EQ(health_of("Deployment", deployment(1)).why, "1 of 2 ready");
}

TEST(Health, AnOldGenerationIsNotHealthy) {
  EXPECT_FALSE(health_of("Deployment", {{"metadata", {{"generation", 3}}},
                                        {"spec", {{"replicas", 1}}},
                                        {"status", {{"observedGeneration", 2}, {"availableReplicas", 1}}}})
                   .healthy);
}

TEST(Health, ADaemonSetWithoutNodesIsHealthy) {
  EXPECT_TRUE(health_of("DaemonSet", {{"status", {{"desiredNumberScheduled", 0}}}}).healthy);
}

TEST(Health, ADefinitionMustBeEstablished) {
  EXPECT_FALSE(health_of("CustomResourceDefinition", {{"status", Json::object()}}).healthy);
  EXPECT_TRUE(
      health_of("CustomResourceDefinition",
                {{"status", {{"conditions", Json::array({{{"type", "Established"}, {"status", "True"}}})}}}})
          .healthy);
}

TEST(Health, APodSaysWhatItWaitsFor) {
  const auto pod = [](const Json& status) { return health_of("Pod", {{"status", status}}); };
  EXPECT_TRUE(pod({{"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}}).healthy);
  EXPECT_EQ(
      pod({{"conditions",
            Json::array(
                {{{"type", "PodScheduled"}, {"status", "False"}, {"message", "0/2 nodes are available"}}})}})
          .why,
      "0/2 nodes are available");
  EXPECT_EQ(
      pod({{"containerStatuses",
            Json::array(
                {{{"state", {{"waiting", {{"reason", "ImagePullBackOff"}, {"message", "no such tag"}}}}}}})}})
          .why,
      "ImagePullBackOff: no such tag");
  EXPECT_EQ(pod({{"phase", "Pending"}}).why, "phase Pending");
}

TEST(Kubeconfig, FetchesCredentialsAndHoldsNone) {
  const auto config = codec::parse_json(kubeconfig_text({"c", "https://e", "Q0E=", "us-west-2"}));
  ASSERT_TRUE(config);
  EXPECT_EQ(codec::text(*config, "current-context"), "c");
  const Json& user = codec::field(codec::list(*config, "users").front(), "user");
  ASSERT_EQ(user.size(), 1u);
  EXPECT_EQ(codec::text(codec::field(user, "exec"), "command"), "aws");
}

}  // namespace
}  // namespace slipway::kube
