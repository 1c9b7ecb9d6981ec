// Slow questions asked at the same time: each is a program that starts, asks over a network and ends.
//
// Every task is done when this returns, also after a failure, so that a task may use what its caller owns.
// A task that starts a program must wait for it: children die with the thread that started them.
// Failure: of the first task, in their order, that failed.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"

namespace slipway::cloud {

using Task = std::function<base::Result<void>()>;

// How many programs at a time are worth their memory on this machine.
int side_by_side_width();
base::Result<void> side_by_side(const std::vector<Task>& tasks);

}  // namespace slipway::cloud
