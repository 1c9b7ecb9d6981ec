// AWS's API through the `aws` program: one JSON document in, one out.
//
// The program's own settings apply (AWS_PROFILE, AWS_ENDPOINT_URL, a proxy, ...). Pages are joined by it.
// Passing failures (throttling, 5xx, a dropped connection) are tried again kTries times with jittered
// back-off. Blocking; threads: main. Failure: see aws_error.h; interrupted.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/rng.h"
#include "codec/json_view.h"
#include "io/patience.h"
#include "io/tool.h"

namespace slipway::cloud {

using codec::Json;

io::ToolNeed aws_need();

struct Identity {
  std::string account;
  std::string arn;  // of the session
};

class Aws {
 public:
  static constexpr int kTries = 8;
  // `patience` must outlive this.
  Aws(io::Tool tool, std::string region, const io::Patience& patience)
      : tool_(std::move(tool)), region_(std::move(region)), patience_(patience) {}

  // An answer without a body is an empty object.
  base::Result<Json> call(const std::string& service, const std::string& operation,
                          const Json& input = Json::object());
  // Nothing when AWS says that the thing is not there.
  base::Result<std::optional<Json>> find(const std::string& service, const std::string& operation,
                                         const Json& input = Json::object());
  // For deletions: a thing that is gone already is fine.
  base::Result<void> erase(const std::string& service, const std::string& operation, const Json& input);

  base::Result<Identity> identity();
  const std::string& region() const { return region_; }
  const io::Patience& patience() const { return patience_; }

 private:
  base::Result<Json> once(const std::string& service, const std::string& operation, const Json& input);
  io::Tool tool_;
  std::string region_;
  const io::Patience& patience_;
  base::Rng jitter_{0x51a9};
};

}  // namespace slipway::cloud
