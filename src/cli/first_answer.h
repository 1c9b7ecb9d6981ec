// Asks a model that is ready for its first token: what `deploy` waits for at the end.
//
// Blocking; threads: main; ends early when Interrupt is raised. Failure: interrupted; a model that does not
// answer is an answer of its own.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/first_request.h"
#include "domain/replica.h"

namespace slipway::cli {

struct FirstAnswer {
  bool came = false;
  codec::Gives gives = codec::Gives::token;
  double seconds = 0;      // from the request that was answered
  bool too_soon = false;   // nobody listens yet, or the server says that it cannot now: ask again
  std::string words = {};  // a line a request that was not answered: what the server said
};

// The first of `requests` that the server at `endpoint` takes; those whose call it refuses are passed over.
base::Result<FirstAnswer> ask_first(const domain::Endpoint& endpoint,
                                    const std::vector<codec::FirstRequest>& requests,
                                    base::Deadline deadline);

}  // namespace slipway::cli
