// `slipway logs --audit`: the audit log of this machine's environment (store/audit.h), read from state.db
// itself, so that it answers also when no daemon runs and no daemon vouches for itself. Threads: main.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "cli/verb.h"

namespace slipway::cli {

struct AuditOptions {
  std::string subject;     // only records of this key (id or name), model or environment; empty: all
  std::int64_t tail = -1;  // the last so many; -1: all
  std::string head;        // a hash that was kept elsewhere and must be there; empty: none
};

// Prints the records and walks the whole chain. state_corrupt names the record where it breaks.
base::Result<int> show_audit(Invocation& invocation, const AuditOptions& options);

}  // namespace slipway::cli
