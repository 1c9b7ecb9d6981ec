// One choice of an answer while its tokens arrive: token ids to text, text to events.
//
// Ownership: part of an Answer. Threads: the HTTP loop's only. Bounds: what is kept grows with the answer,
// which max_tokens and the context bound. The text so far is parsed again as it grows (tool calls,
// reasoning): at most once a batch, and for a long text only after it grew by 1/64, so that the whole work
// stays near linear.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/openai_response.h"
#include "engine/chat.h"
#include "engine/engine.h"
#include "engine/vocabulary.h"
#include "worker/answer_text.h"
#include "worker/prepare.h"

namespace slipway::worker {

// What the choices of one answer share; outlives them.
struct AnswerContext {
  const engine::Vocabulary& vocabulary;
  const engine::ChatFormat& format;
  Prepared prepared;
};

// A token on its way from the engine's loop to the HTTP loop.
struct TokenItem {
  engine::Token token = 0;
  float logprob = 0;
  std::vector<engine::TokenLogprob> top;
};

class Choice {
 public:
  Choice(const AnswerContext& context, int index);

  // False: a stop string is complete, and the request is to be cancelled.
  bool add(const TokenItem& item);
  void end(engine::FinishReason reason, const engine::Usage& usage);
  bool ended() const { return ended_; }
  bool stopped() const { return stopped_; }
  // Text was added or the choice ended since the last write.
  bool dirty() const { return dirty_; }

  // Appends the events for what came since the last call.
  void write(const codec::StreamWriter& writer, std::string& out);
  // The finished choice as a whole. Views point into this choice.
  codec::AnswerChoice whole();

  const engine::Usage& usage() const { return usage_; }
  int completion_tokens() const;
  std::string_view finish_reason() const;

 private:
  void note_logprob(const TokenItem& item, std::string_view piece);
  std::string take_logprobs();
  bool parse_is_due() const;
  // Parses the text so far; keeps the last message when the text does not have the template's form yet.
  void parse(bool partial);
  void write_parsed(const codec::StreamWriter& writer, std::string& out);
  void name_tool_calls();

  const AnswerContext& context_;
  int index_;
  AnswerText text_;
  std::string fresh_;          // may be shown, not yet written
  std::string all_;            // may be shown; kept for whole answers and for the parser
  std::string chat_logprobs_;  // elements of logprobs.content, not yet written
  codec::TextLogprobs text_logprobs_;
  engine::ParsedMessage message_;  // of the last parse
  engine::ParsedMessage written_;  // as far as events were written
  std::vector<std::string> call_ids_;
  std::size_t parsed_bytes_ = 0;
  int tokens_ = 0;
  bool stopped_ = false;  // by a stop string
  bool ended_ = false;
  bool dirty_ = false;
  engine::FinishReason reason_ = engine::FinishReason::stop;
  engine::Usage usage_;
};

}  // namespace slipway::worker
