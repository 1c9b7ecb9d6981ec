// AWS's API through the `aws` program: one JSON document in, one out.
//
// The program's own settings apply (AWS_PROFILE, AWS_ENDPOINT_URL, a proxy, ...). Pages are joined by it.
// Passing failures (throttling, 5xx, a dropped connection) are tried again kTries times with jittered
// back-off. Blocking; threads: any number at a time, of which side_by_side_width() have a program running.
// Failure: see aws_error.h; interrupted.
#pragma once

#include <mutex>
#include <optional>
#include <semaphore>
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
  Aws(io::Tool tool, std::string region, const io::Patience& patience);

  // An answer without a body is an empty object.
  base::Result<Json> call(const std::string& service, const std::string& operation,
                          const Json& input = Json::object());
  // The same for an input that no list of processes may show: it goes through the program's stdin.
  base::Result<Json> call_hidden(const std::string& service, const std::string& operation, const Json& input);
  // Nothing when AWS says that the thing is not there.
  base::Result<std::optional<Json>> find(const std::string& service, const std::string& operation,
                                         const Json& input = Json::object());
  // For deletions: a thing that is gone already is fine.
  base::Result<void> erase(const std::string& service, const std::string& operation, const Json& input);

  base::Result<Identity> identity();
  const std::string& region() const { return region_; }
  const io::Patience& patience() const { return patience_; }

 private:
  base::Result<Json> tried(const std::string& service, const std::string& operation, const Json& input,
                           bool hidden);
  base::Result<Json> once(const std::string& service, const std::string& operation, const Json& input,
                          bool hidden);
  base::Result<void> pause_before_another_try(const std::string& call, const base::Error& why,
                                              base::Duration pause);
  io::Tool tool_;
  std::string region_;
  const io::Patience& patience_;
  std::counting_semaphore<> free_places_;  // for programs
  std::mutex mutex_;                       // of jitter_ and of what is told
  base::Rng jitter_{0x51a9};
};

}  // namespace slipway::cloud
