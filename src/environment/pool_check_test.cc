#include "environment/pool_check.h"

#include <gtest/gtest.h>

namespace slipway::environment {
namespace {

using codec::field, codec::list;

Json pool(const std::string& name, const Json& taints) {
  return {{"metadata", {{"name", name}}}, {"spec", {{"template", {{"spec", {{"taints", taints}}}}}}}};
}

TEST(PoolCheck, APodToleratesItsPoolAndAsksForItsAccelerator) {
  const Json pod =
      pool_check_pod(pool("gpu", Json::array({{{"key", "nvidia.com/gpu"}, {"effect", "NoSchedule"}}})));
  const Json& spec = field(pod, "spec");
  EXPECT_EQ(spec.at("nodeSelector").at("karpenter.sh/nodepool"), "gpu");
  EXPECT_EQ(list(spec, "tolerations").front().at("key"), "nvidia.com/gpu");
  EXPECT_EQ(list(spec, "containers").front().at("resources").at("limits").at("nvidia.com/gpu"), 1);
}

TEST(PoolCheck, AnArm64PoolAsksForNoDevice) {
  const Json pod = pool_check_pod(
      pool("graviton",
           Json::array({{{"key", "kubernetes.io/arch"}, {"value", "arm64"}, {"effect", "NoSchedule"}}})));
  const Json& spec = field(pod, "spec");
  EXPECT_EQ(list(spec, "tolerations").front().at("operator"), "Exists");
  EXPECT_EQ(list(spec, "containers").front().at("resources").at("limits").size(), 2u);
}

}  // namespace
}  // namespace slipway::environment
