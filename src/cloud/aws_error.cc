#include "cloud/aws_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <regex>

namespace slipway::cloud {
namespace {

using base::Error, base::ErrorCode;

struct Row {
  std::string_view part;  // of the name or, where the name is empty, of the text
  ErrorCode code;
};
// The first row whose part is in the name wins.
constexpr auto kRows = std::to_array<Row>({
    {"ExpiredToken", ErrorCode::credentials_expired},
    {"RequestExpired", ErrorCode::credentials_expired},
    {"TokenRefreshRequired", ErrorCode::credentials_expired},
    {"InvalidClientTokenId", ErrorCode::no_credentials},
    {"UnrecognizedClient", ErrorCode::no_credentials},
    {"AuthFailure", ErrorCode::no_credentials},
    {"SignatureDoesNotMatch", ErrorCode::no_credentials},
    {"AccessDenied", ErrorCode::access_denied},
    {"UnauthorizedOperation", ErrorCode::access_denied},
    {"NotAuthorized", ErrorCode::access_denied},
    {"Throttl", ErrorCode::throttled},
    {"RequestLimitExceeded", ErrorCode::throttled},
    {"TooManyRequests", ErrorCode::throttled},
    {"SlowDown", ErrorCode::throttled},
    {"InsufficientInstanceCapacity", ErrorCode::capacity},
    {"InsufficientCapacity", ErrorCode::capacity},
    {"UnsupportedAvailabilityZone", ErrorCode::capacity},
    {"LimitExceeded", ErrorCode::quota_short},
    {"QuotaExceeded", ErrorCode::quota_short},
    {"NotFound", ErrorCode::cloud_missing},
    {"NoSuch", ErrorCode::cloud_missing},
    {"NonExistent", ErrorCode::cloud_missing},
    {"404", ErrorCode::cloud_missing},
});
// Words without an error's name: the CLI itself failed.
constexpr auto kTextRows = std::to_array<Row>({
    {"Unable to locate credentials", ErrorCode::no_credentials},
    {"could not be found", ErrorCode::no_credentials},  // "The config profile (x) could not be found"
    {"Partial credentials", ErrorCode::no_credentials},
    {"Token has expired", ErrorCode::credentials_expired},
    {"SSO session", ErrorCode::credentials_expired},
    {"ExpiredToken", ErrorCode::credentials_expired},
    {"security token included in the request is expired", ErrorCode::credentials_expired},
    {"no valid credential sources", ErrorCode::no_credentials},
    {"Could not connect", ErrorCode::io_failed},
    {"Connection was closed", ErrorCode::io_failed},
    {"timeout on endpoint", ErrorCode::io_failed},
});
constexpr auto kServerErrors = std::to_array<std::string_view>(
    {"InternalError", "InternalFailure", "InternalServer", "ServerException", "ServiceUnavailable",
     "ServiceException", "Unavailable", "RequestTimeout", "PriorRequestNotComplete", "500", "502", "503",
     "504"});
constexpr auto kInUse = std::to_array<std::string_view>(
    {"DependencyViolation", "InUse", "DeleteConflict", "IncorrectState", "VolumeInUse", "IncorrectInstance",
     "ResourceInUse", "OperationNotPermitted", "BucketNotEmpty", "InvalidRequest"});

bool contains_any(std::string_view text, std::span<const std::string_view> parts) {
  return std::ranges::any_of(parts, [&](auto p) { return text.find(p) != std::string_view::npos; });
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kBlank) - first + 1));
}

ErrorCode code_of(const AwsWords& words) {
  if (!words.name.empty()) {
    for (const Row& row : kRows)
      if (words.name.find(row.part) != std::string::npos) return row.code;
    return ErrorCode::aws_failed;
  }
  for (const Row& row : kTextRows)
    if (words.message.find(row.part) != std::string::npos) return row.code;
  return ErrorCode::aws_failed;
}

}  // namespace

AwsWords aws_words(std::string_view text) {
  static const std::regex kSentence(
      R"(An error occurred \(([^)]+)\) when calling the ([A-Za-z0-9]+) operation(?: \([^)]*\))?[^:]*: ?([\s\S]*))");
  // Terraform's provider: "operation error EC2: CreateVpc, ... StatusCode: 400, ... api error NAME: MESSAGE"
  static const std::regex kProvider(
      R"(operation error [^:]*: ([A-Za-z0-9]+),[\s\S]*api error ([A-Za-z0-9.]+):? ?([\s\S]*))");
  std::match_results<std::string_view::const_iterator> match;
  if (std::regex_search(text.begin(), text.end(), match, kSentence))
    return {.name = match[1], .operation = match[2], .message = match[3]};
  if (std::regex_search(text.begin(), text.end(), match, kProvider))
    return {.name = match[2], .operation = match[1], .message = match[3]};
  return {.name = {}, .operation = {}, .message = std::string(text)};
}

Error aws_error(std::string_view doing, std::string_view text) {
  AwsWords words = aws_words(text);
  words.message = trimmed(words.message);  // the CLI begins with an empty line
  const ErrorCode code = code_of(words);
  std::string message = fmt::format("{}: {}", doing, words.name.empty() ? "AWS was not reached" : words.name);
  if (code == ErrorCode::access_denied)
    message = fmt::format("{} needs a permission that this role lacks ({})", doing, words.operation);
  Error error = Error(code, std::move(message)).with_param(words.name).with_detail(words.message);
  if (code == ErrorCode::io_failed)
    return std::move(error).with_next(
        "Check the network and any proxy, then run the same command: it continues.");
  return error;
}

bool passing(const Error& error) {
  if (error.code() == ErrorCode::throttled || error.code() == ErrorCode::io_failed) return true;
  return error.code() == ErrorCode::aws_failed && contains_any(error.param(), kServerErrors);
}

bool in_use(const Error& error) {
  if (error.code() != ErrorCode::aws_failed) return false;
  // EC2 has no name of its own for an interface in use.
  return contains_any(error.param(), kInUse) || error.detail().find("currently in use") != std::string::npos;
}

bool missing(const Error& error) {
  return error.code() == ErrorCode::cloud_missing;
}

}  // namespace slipway::cloud
