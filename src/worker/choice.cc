#include "worker/choice.h"

#include <algorithm>

#include "base/ids.h"

namespace slipway::worker {

using engine::FinishReason;

namespace {

// What was written grows only: a parse that took something back counts again once it has caught up.
void advance(engine::ParsedMessage& written, const engine::ParsedMessage& now) {
  const auto grow = [](std::string& to, const std::string& from) {
    if (from.starts_with(to)) to = from;
  };
  grow(written.content, now.content);
  grow(written.reasoning, now.reasoning);
  for (std::size_t i = 0; i < now.tool_calls.size(); ++i) {
    if (i < written.tool_calls.size())
      grow(written.tool_calls[i].arguments, now.tool_calls[i].arguments);
    else
      written.tool_calls.push_back(now.tool_calls[i]);
  }
}

}  // namespace

Choice::Choice(const AnswerContext& context, int index)
    : context_(context), index_(index), text_(context.prepared.params.stops) {}

bool Choice::add(const TokenItem& item) {
  if (stopped_ || ended_) return true;
  ++tokens_;
  const Prepared& prepared = context_.prepared;
  if (context_.vocabulary.is_end(item.token) && !prepared.params.sampling.ignore_eos) return true;
  const bool shown = std::ranges::find(prepared.shown_specials, item.token) != prepared.shown_specials.end();
  const std::string_view piece = context_.vocabulary.piece(item.token, shown);
  dirty_ = true;
  stopped_ = text_.add(piece, fresh_);
  if (!stopped_ && prepared.params.logprobs) note_logprob(item, piece);
  return !stopped_;
}

void Choice::note_logprob(const TokenItem& item, std::string_view piece) {
  codec::LogprobEntry entry{piece, item.logprob, {}};
  for (const engine::TokenLogprob& alternative : item.top)
    entry.top.emplace_back(context_.vocabulary.piece(alternative.token, true), alternative.logprob);
  if (context_.prepared.operation == Operation::completion) {
    text_logprobs_.add(entry);
    return;
  }
  if (!chat_logprobs_.empty()) chat_logprobs_ += ',';
  codec::append_chat_logprob(chat_logprobs_, entry);
}

std::string Choice::take_logprobs() {
  if (!context_.prepared.params.logprobs) return {};
  if (context_.prepared.operation == Operation::completion)
    return text_logprobs_.empty() ? "" : text_logprobs_.take();
  if (chat_logprobs_.empty()) return {};
  return "{\"content\":[" + std::exchange(chat_logprobs_, {}) + "],\"refusal\":null}";
}

void Choice::end(FinishReason reason, const engine::Usage& usage) {
  if (ended_) return;
  ended_ = dirty_ = true;
  reason_ = stopped_ ? FinishReason::stop : reason;
  usage_ = usage;
  if (!stopped_) text_.finish(fresh_);
}

int Choice::completion_tokens() const {
  return stopped_ ? tokens_ : usage_.completion_tokens;
}

std::string_view Choice::finish_reason() const {
  if (reason_ == FinishReason::length) return "length";
  return message_.tool_calls.empty() ? "stop" : "tool_calls";
}

bool Choice::parse_is_due() const {
  const std::size_t grown = all_.size() - parsed_bytes_;
  return grown > 0 && grown >= parsed_bytes_ / 64;
}

void Choice::parse(bool partial) {
  parsed_bytes_ = all_.size();
  auto parsed = context_.format.parse(context_.prepared.rendered, all_, partial);
  if (parsed) {
    message_ = *std::move(parsed);
    name_tool_calls();
    return;
  }
  // The finished text does not have the template's form: it is the answer as it stands, behind what was shown
  // of it.
  if (!partial && all_.starts_with(written_.content) && written_.tool_calls.empty()) message_.content = all_;
}

void Choice::name_tool_calls() {
  for (std::size_t i = 0; i < message_.tool_calls.size(); ++i) {
    if (call_ids_.size() <= i) {
      const std::string& given = message_.tool_calls[i].id;
      call_ids_.push_back(given.empty() ? "call_" + base::random_base32(24) : given);
    }
    message_.tool_calls[i].id = call_ids_[i];
  }
}

void Choice::write_parsed(const codec::StreamWriter& writer, std::string& out) {
  all_ += fresh_;
  fresh_.clear();
  if (ended_)
    parse(reason_ == FinishReason::length);
  else if (parse_is_due())
    parse(true);
  for (const engine::MessageDelta& delta : engine::ChatFormat::diff(written_, message_)) {
    if (!delta.reasoning.empty()) writer.reasoning(out, index_, delta.reasoning);
    if (!delta.content.empty()) writer.content(out, index_, delta.content);
    if (delta.tool_index >= 0)
      writer.tool_call(out, index_, {delta.tool_index, delta.tool.id, delta.tool.name, delta.tool.arguments});
  }
  advance(written_, message_);
}

void Choice::write(const codec::StreamWriter& writer, std::string& out) {
  if (!dirty_) return;
  dirty_ = false;
  if (context_.prepared.rendered.parser) {
    write_parsed(writer, out);
  } else if (const std::string logprobs = take_logprobs(); !fresh_.empty() || !logprobs.empty()) {
    writer.content(out, index_, fresh_, logprobs);
    fresh_.clear();
  }
  if (ended_) writer.finish(out, index_, finish_reason());
}

codec::AnswerChoice Choice::whole() {
  all_ += fresh_;
  fresh_.clear();
  codec::AnswerChoice out;
  out.index = index_;
  if (context_.prepared.rendered.parser) {
    parse(reason_ == FinishReason::length);
    out.content = message_.content;
    out.reasoning = message_.reasoning;
    for (std::size_t i = 0; i < message_.tool_calls.size(); ++i) {
      const engine::ToolCall& call = message_.tool_calls[i];
      out.tool_calls.push_back({static_cast<int>(i), call.id, call.name, call.arguments});
    }
  } else {
    out.content = all_;
  }
  out.logprobs = take_logprobs();
  out.finish_reason = finish_reason();
  return out;
}

}  // namespace slipway::worker
