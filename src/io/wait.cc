#include "io/wait.h"

#include <poll.h>

#include <algorithm>

namespace slipway::io {

bool wait_ready(int fd, Ready what, base::Duration timeout) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  pollfd watched{
      .fd = fd, .events = static_cast<short>(what == Ready::readable ? POLLIN : POLLOUT), .revents = 0};
  return ::poll(&watched, 1, static_cast<int>(std::clamp<std::int64_t>(ms, 0, 60'000))) > 0;
}

}  // namespace slipway::io
