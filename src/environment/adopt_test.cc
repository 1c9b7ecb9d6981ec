#include "environment/adopt.h"

#include <gtest/gtest.h>

namespace slipway::environment {
namespace {

using cloud::Json;

TEST(Adopt, PartsAreImportedByWhatTheyAreAPartOf) {
  EXPECT_EQ(id_of_parts("aws_eks_addon", {{"cluster_name", "inference"}, {"addon_name", "vpc-cni"}}),
            "inference:vpc-cni");
  EXPECT_EQ(id_of_parts("aws_route", {{"route_table_id", "rtb-1"}, {"destination_cidr_block", "0.0.0.0/0"}}),
            "rtb-1_0.0.0.0/0");
  EXPECT_EQ(
      id_of_parts("aws_route_table_association", {{"subnet_id", "subnet-1"}, {"route_table_id", "rtb-1"}}),
      "subnet-1/rtb-1");
}

TEST(Adopt, WithoutAnAttributeThatIsKnownBeforeThereIsNoId) {
  EXPECT_EQ(id_of_parts("aws_route", {{"destination_cidr_block", "0.0.0.0/0"}}), "");
  EXPECT_EQ(id_of_parts("aws_vpc", {{"cidr_block", "10.0.0.0/16"}}), "");
}

}  // namespace
}  // namespace slipway::environment
