// Chat requests to prompts and model output back to messages: templates, tools, JSON schemas and reasoning,
// through llama-common (common_chat_*). Everything here runs on the caller's thread.
//
// A ChatFormat is made once a model. render() turns one OpenAI chat body into a prompt with its constraints;
// parse() turns the text so far into a message and can be called again as the text grows (streaming diffs).
// Failure: bad_request and unsupported name the field; bad_schema says why a schema cannot be enforced.
// Nothing that was asked for is silently left out.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

struct llama_model;

namespace slipway::engine {

inline constexpr std::size_t kMaxGrammarBytes = 256 * 1024;

struct RenderedChat {
  std::string prompt;
  Sampling sampling;               // grammar, triggers, preserved tokens filled in
  std::vector<std::string> stops;  // the template's own extra stop strings
  bool add_bos = false;
  // What parse() needs, opaque to callers. Null: the text is the message (no tools, no reasoning, no
  // markers), and there is nothing to parse.
  std::shared_ptr<const void> parser;
};

struct ToolCall {
  std::string id, name, arguments;  // arguments: JSON text, maybe incomplete while partial
};
struct ParsedMessage {
  std::string content;
  std::string reasoning;
  std::vector<ToolCall> tool_calls;
};
// What changed between two parses: one OpenAI delta each.
struct MessageDelta {
  std::string content, reasoning;
  int tool_index = -1;
  ToolCall tool;  // id and name once, then argument pieces
};

class ChatFormat {
 public:
  explicit ChatFormat(const llama_model* model);
  // Any template, without a model.
  ChatFormat(const std::string& template_source, const std::string& bos, const std::string& eos);
  ~ChatFormat();
  // The template's own text, for the canonical rendering and `slipway explain`.
  std::string_view template_source() const;
  bool has_template() const;
  // `body` is the request as JSON text (messages, tools, tool_choice, parallel_tool_calls, response_format,
  // chat_template_kwargs, reasoning_effort).
  base::Result<RenderedChat> render(std::string_view body) const;
  // JSON schema -> grammar, for response_format and /v1/completions. bad_schema when it cannot be enforced.
  static base::Result<std::string> schema_to_grammar(std::string_view schema_json);
  // `partial`: the text may grow. A tool call appears once its arguments begin; its id is empty when the
  // template has none. An error means that the text does not have the template's form: the caller has the
  // text itself.
  base::Result<ParsedMessage> parse(const RenderedChat& rendered, std::string_view text, bool partial) const;
  static std::vector<MessageDelta> diff(const ParsedMessage& before, const ParsedMessage& after);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::engine
