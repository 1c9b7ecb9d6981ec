#include "cloud/aws_error.h"

#include <gtest/gtest.h>

namespace slipway::cloud {
namespace {

using base::ErrorCode;

struct Case {
  const char* name;
  ErrorCode code;
  bool passing = false;
};

std::string sentence(const std::string& name) {
  return "\nAn error occurred (" + name +
         ") when calling the DescribeVpcs operation (reached max retries: 4): why\n";
}

TEST(AwsError, NamesMapToOurCodes) {
  for (const Case& c :
       {Case{"ExpiredTokenException", ErrorCode::credentials_expired},
        Case{"RequestExpired", ErrorCode::credentials_expired},
        Case{"AccessDeniedException", ErrorCode::access_denied},
        Case{"UnauthorizedOperation", ErrorCode::access_denied},
        Case{"Throttling", ErrorCode::throttled, true},
        Case{"ThrottlingException", ErrorCode::throttled, true},
        Case{"RequestLimitExceeded", ErrorCode::throttled, true},
        Case{"InternalFailure", ErrorCode::aws_failed, true},
        Case{"ServiceUnavailableException", ErrorCode::aws_failed, true},
        Case{"InsufficientInstanceCapacity", ErrorCode::capacity},
        Case{"VcpuLimitExceeded", ErrorCode::quota_short},
        Case{"NatGatewayNotFound", ErrorCode::cloud_missing}, Case{"NoSuchEntity", ErrorCode::cloud_missing},
        Case{"InvalidVpcID.NotFound", ErrorCode::cloud_missing},
        Case{"AWS.SimpleQueueService.NonExistentQueue", ErrorCode::cloud_missing},
        Case{"DependencyViolation", ErrorCode::aws_failed}}) {
    const base::Error error = aws_error("aws ec2 describe-vpcs", sentence(c.name));
    EXPECT_EQ(error.code(), c.code) << c.name;
    EXPECT_EQ(passing(error), c.passing) << c.name;
    EXPECT_EQ(error.param(), c.name);
  }
}

TEST(AwsError, WhatIsInUseMayBeDeletedLater) {
  EXPECT_TRUE(in_use(aws_error("x", sentence("DependencyViolation"))));
  EXPECT_TRUE(in_use(aws_error("x", sentence("VolumeInUse"))));
  EXPECT_FALSE(in_use(aws_error("x", sentence("AccessDenied"))));
  EXPECT_TRUE(in_use(aws_error(
      "x",
      "An error occurred (InvalidParameterValue) when calling the DeleteNetworkInterface operation: Network "
      "interface 'eni-1' is currently in use.")));
}

TEST(AwsError, DetailIsTheWordsWithoutTheProgramsEmptyLines) {
  EXPECT_EQ(aws_error("x", "\nUnable to locate credentials.\n").detail(), "Unable to locate credentials.");
  EXPECT_EQ(aws_error("x", sentence("Throttling")).detail(), "why");  // not "4): why"
}

TEST(AwsError, RefusedPermissionNamesTheAction) {
  const base::Error error = aws_error("aws ec2 describe-vpcs", sentence("UnauthorizedOperation"));
  EXPECT_NE(error.message().find("DescribeVpcs"), std::string::npos);
}

TEST(AwsError, WordsOfTheProgramItselfAreUnderstood) {
  EXPECT_EQ(
      aws_error("x", "Unable to locate credentials. You can configure credentials by running \"aws login\".")
          .code(),
      ErrorCode::no_credentials);
  EXPECT_EQ(
      aws_error("x", "Error when retrieving token from sso: Token has expired and refresh failed").code(),
      ErrorCode::credentials_expired);
  EXPECT_TRUE(passing(aws_error("x", "Could not connect to the endpoint URL: \"https://ec2...\"")));
}

TEST(AwsError, ProviderWordsAreTakenApart) {
  const AwsWords words = aws_words(
      "creating EC2 VPC: operation error EC2: CreateVpc, https response error StatusCode: 400, RequestID: 1, "
      "api "
      "error VpcLimitExceeded: The maximum number of VPCs has been reached.");
  EXPECT_EQ(words.name, "VpcLimitExceeded");
  EXPECT_EQ(words.operation, "CreateVpc");
}

}  // namespace
}  // namespace slipway::cloud
