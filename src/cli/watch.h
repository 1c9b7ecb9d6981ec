// A view that repeats: redrawn on a terminal, one after the other on a pipe.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "cli/verb.h"

namespace slipway::cli {

using Snapshot = std::function<base::Result<std::string>()>;

// Prints `snapshot` once, or every `interval_s` until Ctrl-C (exit 130). An error ends it.
base::Result<int> watch(Invocation& invocation, bool repeat, double interval_s, const Snapshot& snapshot);
// `value` in the format asked for; `human` makes the table form. Repeated JSON is one line a look, repeated
// YAML one document.
std::string shown(const Invocation& invocation, const Json& value, const std::function<std::string()>& human,
                  bool repeat);

}  // namespace slipway::cli
