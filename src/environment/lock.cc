#include "environment/lock.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/time.h"
#include "codec/json_view.h"

namespace slipway::environment {

using base::Error, base::ErrorCode, base::Result;

Result<ApplyLock> ApplyLock::take(const std::filesystem::path& folder, const std::string& command) {
  const std::filesystem::path owner = folder / "lock.json";
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(folder));
  SLIPWAY_TRY(auto lock, io::FileLock::try_lock(folder / "lock"));
  if (!lock) {
    const auto text = io::read_file(owner, 4096);
    const auto json = text ? codec::parse_json(*text) : std::nullopt;
    if (!json)
      return Error(ErrorCode::foreign_lock,
                   fmt::format("another process holds {}", (folder / "lock").string()));
    return Error(
        ErrorCode::foreign_lock,
        fmt::format("`{}` (pid {} on {}) has been at it since {}", codec::text(*json, "command"),
                    codec::text(*json, "pid"), codec::text(*json, "host"), codec::text(*json, "since")));
  }
  char host[256] = {};
  ::gethostname(host, sizeof(host) - 1);
  const codec::Json record{{"pid", ::getpid()},
                           {"host", host},
                           {"command", command},
                           {"since", base::to_rfc3339(base::wall_now())}};
  SLIPWAY_RETURN_IF_ERROR(io::write_file_atomic(owner, record.dump(2) + "\n"));
  return ApplyLock(std::move(*lock));
}

}  // namespace slipway::environment
