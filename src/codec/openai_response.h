// Answers in OpenAI's shape: chat and text completions, whole and streamed, embeddings, log probabilities.
//
// Intuition: at 32 clients a worker writes hundreds of events a second on the cores that decode, so an event
// costs one append. What is equal in every event of a request (id, model, created, ...) is formatted once; an
// event is that prefix, the escaped piece of text and a fixed end.
//
// Everything appends to the caller's string; nothing here allocates beyond it. Text that is not UTF-8 comes
// out as U+FFFD. Pure; threads: a StreamWriter is immutable after its construction.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_text.h"

namespace slipway::codec {

// A JSON number; infinities become the largest double of that sign, NaN becomes null.
void append_json_number(std::string& out, double value);

enum class AnswerKind { chat, text };

// What every piece of one answer carries.
struct AnswerIdentity {
  std::string id;  // "chatcmpl-...", "cmpl-..."
  std::string model;
  std::string system_fingerprint;
  std::int64_t created = 0;  // unix seconds
};

struct AnswerUsage {
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t completion_tokens = 0;
};
// {"prompt_tokens":...}
void append_usage(std::string& out, const AnswerUsage& usage);

// One token's log probability with its alternatives. `text` is the token's bytes.
struct LogprobEntry {
  std::string_view text;
  double logprob = 0;
  std::vector<std::pair<std::string_view, double>> top;
};
// One element of choices[].logprobs.content (chat).
void append_chat_logprob(std::string& out, const LogprobEntry& entry);

// Completions have four parallel lists instead; `add` takes tokens in order.
class TextLogprobs {
 public:
  void add(const LogprobEntry& entry);
  bool empty() const { return tokens_.empty(); }
  // {"tokens":[...],"token_logprobs":[...],"top_logprobs":[...],"text_offset":[...]}; the lists start anew,
  // offsets go on.
  std::string take();

 private:
  std::string tokens_, logprobs_, top_, offsets_;
  std::size_t offset_ = 0;
};

// A piece of a tool call: id and name once, then argument text.
struct ToolCallPiece {
  int index = 0;
  std::string_view id, name, arguments;
};

// Events of a streamed answer, each "data: {...}\n\n". `logprobs` is the value of choices[].logprobs, empty
// for null.
class StreamWriter {
 public:
  // `usage_field`: every event has "usage":null, because the last one will have it.
  StreamWriter(AnswerKind kind, const AnswerIdentity& identity, bool usage_field);

  void role(std::string& out, int choice) const;  // chat
  void content(std::string& out, int choice, std::string_view text, std::string_view logprobs = {}) const;
  void reasoning(std::string& out, int choice, std::string_view text) const;       // chat
  void tool_call(std::string& out, int choice, const ToolCallPiece& piece) const;  // chat
  void finish(std::string& out, int choice, std::string_view reason, std::string_view logprobs = {}) const;
  void usage(std::string& out, const AnswerUsage& usage) const;
  static void done(std::string& out);

 private:
  void open(std::string& out, int choice) const;
  void close(std::string& out, std::string_view logprobs, std::string_view reason) const;

  AnswerKind kind_;
  std::string prefix_;  // "data: {"id":...,"choices":["
  std::string end_;     // "],"usage":null}\n\n"
};

struct AnswerChoice {
  int index = 0;
  std::string content;
  std::string reasoning;
  std::vector<ToolCallPiece> tool_calls;  // views live as long as the caller's strings
  std::string logprobs;                   // value of "logprobs", empty for null
  std::string_view finish_reason;
};
std::string whole_answer(AnswerKind kind, const AnswerIdentity& identity,
                         std::span<const AnswerChoice> choices, const AnswerUsage& usage);

// `base64`: little-endian floats (OpenAI's encoding_format).
std::string embeddings_answer(std::string_view model, std::span<const std::vector<float>> vectors,
                              bool base64, std::int64_t prompt_tokens);

}  // namespace slipway::codec
