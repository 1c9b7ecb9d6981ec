#include "policy/addons.h"

#include <gtest/gtest.h>

namespace slipway::policy {
namespace {

std::vector<domain::Addon> addons() {
  domain::Addon karpenter{.name = "karpenter"};
  karpenter.always = true;
  karpenter.not_with_auto_mode = true;
  domain::Addon ebs{.name = "ebs-csi-driver"};
  ebs.addon_variable = "aws-ebs-csi-driver";
  ebs.needed_by = {"opensearch"};
  ebs.not_with_auto_mode = true;
  domain::Addon search{.name = "opensearch"};
  search.variables = {"enable_ai_ml_observability_stack"};
  return {karpenter, ebs, search};
}

TEST(Addons, AVariableTurnsOneOnAndWhatItNeedsFollows) {
  domain::Cluster c;
  const auto all = addons();
  EXPECT_EQ(addons_on(decide_addons(c, all)).size(), 1u);
  c.switches["enable_ai_ml_observability_stack"] = true;
  c.eks_addons["aws-ebs-csi-driver"] = false;
  const auto decided = decide_addons(c, all);
  EXPECT_TRUE(decided[1].on);
  EXPECT_EQ(decided[1].why, "opensearch needs it, and enable_cluster_addons has aws-ebs-csi-driver = false");
}

TEST(Addons, EksOwnsWhatEnableClusterAddonsTurnsOn) {
  domain::Cluster c;
  c.switches["enable_ai_ml_observability_stack"] = true;
  c.eks_addons["aws-ebs-csi-driver"] = true;
  const auto all = addons();
  const auto decided = decide_addons(c, all);
  EXPECT_FALSE(decided[1].on);
  EXPECT_EQ(decided[1].why, "EKS owns it: enable_cluster_addons has aws-ebs-csi-driver = true");
}

TEST(Addons, AutoModeBringsItsOwn) {
  domain::Cluster c;
  c.switches["enable_eks_auto_mode"] = true;
  c.switches["enable_ai_ml_observability_stack"] = true;
  const auto all = addons();
  const auto decided = decide_addons(c, all);
  EXPECT_FALSE(decided[0].on);
  EXPECT_FALSE(decided[1].on);
  EXPECT_TRUE(decided[2].on);
}

}  // namespace
}  // namespace slipway::policy
