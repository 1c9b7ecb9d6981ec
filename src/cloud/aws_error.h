// What AWS said when it refused, as our errors: one table from AWS's error names to codes.
//
// The AWS name stays in Error::param(), so that a caller can tell "DependencyViolation" from others. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace slipway::cloud {

// "An error occurred (NAME) when calling the OPERATION operation ...: MESSAGE" of the AWS CLI, taken apart.
// Without that sentence the name is empty and the message is the text.
struct AwsWords {
  std::string name;
  std::string operation;
  std::string message;
};
AwsWords aws_words(std::string_view text);

// `doing`: "ec2 describe-vpcs". The text may come from the AWS CLI or from Terraform's provider.
base::Error aws_error(std::string_view doing, std::string_view text);

// Another try of the same call may pass: throttling, 5xx, a dropped connection.
bool passing(const base::Error& error);
// The thing is still used by another one: a deletion may pass later.
bool in_use(const base::Error& error);
bool missing(const base::Error& error);

}  // namespace slipway::cloud
