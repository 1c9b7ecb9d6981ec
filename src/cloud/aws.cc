#include "cloud/aws.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "cloud/aws_error.h"
#include "cloud/side_by_side.h"

namespace slipway::cloud {

using base::Error, base::ErrorCode, base::Result;

namespace {
constexpr auto kCallTime = std::chrono::minutes(5);
constexpr auto kFirstPause = std::chrono::milliseconds(500);
constexpr auto kLongestPause = std::chrono::seconds(20);
}  // namespace

io::ToolNeed aws_need() {
  return {.name = "aws",
          .version_arguments = {"--version"},
          .minimum = "1.32.0",
          .how_to_get =
              "Install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/"
              "getting-started-install.html, or `pip install awscli`."};
}

Aws::Aws(io::Tool tool, std::string region, const io::Patience& patience)
    : tool_(std::move(tool)),
      region_(std::move(region)),
      patience_(patience),
      free_places_(side_by_side_width()) {}

Result<Json> Aws::once(const std::string& service, const std::string& operation, const Json& input,
                       bool hidden) {
  std::vector<std::string> arguments = {service, operation};
  if (hidden)
    arguments.insert(arguments.end(), {"--cli-input-json", "file:///dev/stdin"});
  else if (!input.empty())
    arguments.insert(arguments.end(), {"--cli-input-json", input.dump()});
  arguments.insert(arguments.end(), {"--output", "json", "--region", region_});
  // Version 1 of the program overlooks the variable for SQS.
  if (const char* endpoint = std::getenv("AWS_ENDPOINT_URL"); endpoint != nullptr && *endpoint != 0)
    arguments.insert(arguments.end(), {"--endpoint-url", endpoint});
  free_places_.acquire();
  Result<io::ToolAnswer> ended = io::call_tool(tool_, {.arguments = std::move(arguments),
                                                       .input = hidden ? input.dump() : std::string(),
                                                       .variables = {"AWS_PAGER=", "AWS_RETRY_MODE=adaptive"},
                                                       .deadline = base::Deadline::after(kCallTime)});
  free_places_.release();
  SLIPWAY_TRY(const io::ToolAnswer answer, std::move(ended));
  if (!answer.ok()) {
    if (auto stopped = patience_.check(); !stopped) return std::move(stopped).error();
    return aws_error(fmt::format("aws {} {}", service, operation), answer.why());
  }
  if (answer.out.find_first_not_of(" \r\n\t") == std::string::npos) return Json::object();
  auto body = codec::parse_json(answer.out);
  if (!body)
    return Error(ErrorCode::aws_failed,
                 fmt::format("aws {} {} answered something that is not JSON", service, operation))
        .with_detail(answer.out.substr(0, 500));
  return *std::move(body);
}

Result<void> Aws::pause_before_another_try(const std::string& call, const Error& why, base::Duration pause) {
  double share = 1;
  {
    const std::scoped_lock lock(mutex_);
    // AWS's own word; none where it was not reached.
    patience_.tell(
        fmt::format("AWS to answer {}{}", call, why.param().empty() ? "" : fmt::format(" ({})", why.param())),
        pause);
    // Jitter: callers that were refused together do not come back together.
    share = 0.5 + jitter_.unit() / 2;
  }
  return patience_.pause(std::chrono::duration_cast<base::Duration>(pause * share));
}

Result<Json> Aws::call(const std::string& service, const std::string& operation, const Json& input) {
  return tried(service, operation, input, false);
}

Result<Json> Aws::call_hidden(const std::string& service, const std::string& operation, const Json& input) {
  return tried(service, operation, input, true);
}

Result<Json> Aws::tried(const std::string& service, const std::string& operation, const Json& input,
                        bool hidden) {
  base::Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    SLIPWAY_RETURN_IF_ERROR(patience_.check());
    Result<Json> answer = once(service, operation, input, hidden);
    if (answer || !passing(answer.error()) || attempt == kTries) return answer;
    SLIPWAY_RETURN_IF_ERROR(
        pause_before_another_try(fmt::format("{} {}", service, operation), answer.error(), pause));
    pause = std::min<base::Duration>(pause * 2, kLongestPause);
  }
}

Result<std::optional<Json>> Aws::find(const std::string& service, const std::string& operation,
                                      const Json& input) {
  Result<Json> answer = call(service, operation, input);
  if (answer) return std::optional<Json>(*std::move(answer));
  if (missing(answer.error())) return std::optional<Json>();
  return std::move(answer).error();
}

Result<void> Aws::erase(const std::string& service, const std::string& operation, const Json& input) {
  SLIPWAY_TRY([[maybe_unused]] const auto done, find(service, operation, input));
  return {};
}

Result<Identity> Aws::identity() {
  SLIPWAY_TRY(const Json answer, call("sts", "get-caller-identity"));
  Identity out{.account = codec::text(answer, "Account"), .arn = codec::text(answer, "Arn")};
  if (out.account.empty())
    return Error(ErrorCode::no_credentials, "AWS does not say whose credentials these are");
  return out;
}

}  // namespace slipway::cloud
