// Waits for one descriptor, blocking: for short waits of threads that have no loop. Not for loop threads.
#pragma once

#include "base/time.h"

namespace slipway::io {

enum class Ready { readable, writable };

// False when the time passed first or the descriptor is unusable.
bool wait_ready(int fd, Ready what, base::Duration timeout);

}  // namespace slipway::io
