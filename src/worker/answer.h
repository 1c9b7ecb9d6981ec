// One request while the engine works on it: its choices, what waits to be written, and how it ends.
//
// Life: made on a preparing thread, then used on the HTTP loop only. The engine's sinks hold it until their
// last call, and hand that hold over to the loop with it, so the last reference is dropped on the loop. The
// handler waits on `wake` and writes take_pending(); the mailbox calls add, end and flush. Bounds: what waits
// is bounded by the answer (max_tokens, context); a client that does not read is cut by the HTTP server.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/openai_response.h"
#include "engine/engine.h"
#include "io/event.h"
#include "worker/choice.h"

namespace slipway::worker {

class Answer {
 public:
  Answer(AnswerContext context, codec::AnswerIdentity identity);

  std::size_t choice_count() const { return choices_.size(); }
  const AnswerContext& context() const { return context_; }
  // The submissions' tickets; dropping them cancels. Tokens may have come before.
  void hold(std::vector<std::unique_ptr<engine::Ticket>> tickets);

  // From the mailbox.
  void add(std::size_t choice, const TokenItem& item);
  void end(std::size_t choice, engine::FinishReason reason, const engine::Usage& usage,
           std::optional<base::Error> error);
  // After a batch: builds the events of what came and wakes the handler.
  void flush();

  // The first chunk of every choice (chat).
  void write_roles();
  // Usage event and [DONE].
  void write_end();
  std::string take_pending() { return std::exchange(pending_, {}); }
  bool has_pending() const { return !pending_.empty(); }
  std::string whole();

  // Every choice ended, or the answer failed.
  bool over() const { return error_.has_value() || ended_ == choices_.size(); }
  const std::optional<base::Error>& error() const { return error_; }
  // Ends it from outside (client gone, deadline): cancels what runs and wakes the handler.
  void fail(base::Error error);

  codec::AnswerUsage usage() const;
  // Times of the first choice, for metrics.
  const engine::Usage& timing() const { return choices_.front()->usage(); }
  std::string_view finish_reason(std::size_t choice) const { return choices_[choice]->finish_reason(); }
  bool started() const { return first_token_.has_value(); }
  std::optional<base::MonotonicTime> first_token() const { return first_token_; }

  io::Event wake;

 private:
  const AnswerContext context_;
  const codec::AnswerIdentity identity_;
  const codec::StreamWriter writer_;
  std::vector<std::unique_ptr<Choice>> choices_;
  std::vector<std::unique_ptr<engine::Ticket>> tickets_;
  std::string pending_;
  std::size_t ended_ = 0;
  std::optional<base::Error> error_;
  std::optional<base::MonotonicTime> first_token_;
};

}  // namespace slipway::worker
