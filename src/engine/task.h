// One request on its way through the engine: submitted, waiting, running (it holds a KV sequence), perhaps
// pre-empted and waiting again, ended. Owned by the inbox, then by the loop; the Ticket shares only the
// cancel flag.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/time.h"
#include "engine/engine.h"
#include "engine/sampler.h"

namespace slipway::engine {

struct Task {
  Request request;  // its prompt has moved to `tokens`
  std::shared_ptr<Sink> sink;
  std::shared_ptr<std::atomic<bool>> cancelled;
  std::unique_ptr<Sampler> sampler;
  std::vector<Token> tokens;  // the prompt and what was sampled so far
  int prompt_tokens = 0;
  int max_tokens = 0;  // of the answer; at least 1

  int seq = -1;                // -1 = not running
  std::uint64_t admitted = 0;  // order of admission, larger = younger
  // Its prefix is being prefilled by this sequence, admitted as `wait_admitted`; -1 = by nobody.
  int waits_for = -1;
  std::uint64_t wait_admitted = 0;
  int wait_tokens = 0;

  Usage usage;
  base::MonotonicTime submitted{}, started{}, first_token{}, last_token{};
  bool has_started = false;

  int made() const { return static_cast<int>(tokens.size()) - prompt_tokens; }
};

}  // namespace slipway::engine
