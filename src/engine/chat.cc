#include "engine/chat.h"

#include <algorithm>

#include <chat.h>
#include "engine/chat_request.h"
#include "engine/schema_check.h"
#include "engine/tool_fallback.h"
#include "json-schema-to-grammar.h"
#include "llama.h"
#include "log.h"

namespace slipway::engine {
namespace {

using base::Error, base::ErrorCode, base::Result;

// Brackets a model may nest before its output is no longer parsed: llama-common's parser recurses a level a
// bracket.
constexpr int kMaxOutputDepth = 256;

// What parse() needs of one rendered request.
struct Parser {
  common_chat_parser_params params;
};

GrammarTrigger::Type trigger_type(common_grammar_trigger_type type) {
  switch (type) {
    case COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN:
      return GrammarTrigger::Type::token;
    case COMMON_GRAMMAR_TRIGGER_TYPE_WORD:
      return GrammarTrigger::Type::word;
    case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN:
      return GrammarTrigger::Type::pattern;
    case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL:
      return GrammarTrigger::Type::pattern_full;
  }
  return GrammarTrigger::Type::word;
}

void copy_grammar(const common_chat_params& from, bool user_grammar, Sampling& to) {
  to.grammar = from.grammar;
  to.grammar_lazy = from.grammar_lazy;
  if (!from.grammar_lazy && !user_grammar) to.grammar_prefill = from.generation_prompt;
  for (const common_grammar_trigger& trigger : from.grammar_triggers)
    to.triggers.push_back({trigger_type(trigger.type), trigger.value, trigger.token});
  to.preserved_tokens = from.preserved_tokens;
}

bool calls_tools(const common_chat_templates_inputs& inputs) {
  return !inputs.tools.empty() && inputs.tool_choice != COMMON_CHAT_TOOL_CHOICE_NONE;
}

using NoTools = std::vector<common_chat_tool>;

// Tools to call now, or calls and results earlier in the conversation.
bool speaks_of_tools(const common_chat_templates_inputs& inputs) {
  return !inputs.tools.empty() || std::ranges::any_of(inputs.messages, [](const common_chat_msg& message) {
    return message.role == "tool" || !message.tool_calls.empty();
  });
}

// Anything of llama-common that throws on bad input becomes `code`; `fn` returns a Result.
template <class F>
auto guarded(ErrorCode code, const char* doing, F&& fn) -> decltype(fn()) {
  try {
    return fn();
  } catch (const std::exception& e) {
    return Error(code, std::string(doing) + ": " + e.what());
  }
}

// The nesting of brackets wherever they stand; at least the nesting of any JSON in the text.
bool output_depth_within(std::string_view text, int limit) {
  int depth = 0;
  for (const char c : text) {
    if (c == '{' || c == '[') {
      if (++depth > limit) return false;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return true;
}

std::shared_ptr<const Parser> make_parser(const common_chat_params& params,
                                          const common_chat_templates_inputs& inputs) {
  auto parser = std::make_shared<Parser>();
  parser->params = common_chat_parser_params(params);
  parser->params.reasoning_format = inputs.reasoning_format;
  parser->params.parse_tool_calls = calls_tools(inputs);
  if (!params.parser.empty()) parser->params.parser.load(params.parser);
  return parser;
}

// What was asked for and the template's own machinery did not turn into a grammar.
Result<void> enforce(const common_chat_templates_inputs& inputs, Sampling& sampling) {
  if (!sampling.grammar.empty()) return {};
  sampling.grammar_prefill.clear();
  if (!inputs.grammar.empty()) {
    sampling.grammar = inputs.grammar;
  } else if (!inputs.json_schema.empty()) {
    SLIPWAY_TRY(sampling.grammar, ChatFormat::schema_to_grammar(inputs.json_schema));
  } else if (inputs.tool_choice == COMMON_CHAT_TOOL_CHOICE_REQUIRED && !inputs.tools.empty()) {
    return Error(ErrorCode::unsupported, "this model's template cannot enforce a tool call")
        .with_param("tool_choice");
  }
  return {};
}

// llama-common logs pieces of prompts and answers; those are never logged here.
void silence_llama_common() {
  static const bool done = [] {
    common_log_set_verbosity_thold(-1);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

struct ChatFormat::Impl {
  common_chat_templates_ptr own;       // the model's template
  common_chat_templates_ptr fallback;  // kToolTemplate; only for models whose template has no tools
  std::string source;
  std::string failure;  // why `own` is null
  bool explicit_template = false;
  bool parallel_tool_calls = false;
  bool plain_answers = false;  // without tools, what the model writes is the answer: no markers, no reasoning

  void load(const llama_model* model, const std::string& override_source, const std::string& bos,
            const std::string& eos) {
    silence_llama_common();
    try {
      own = common_chat_templates_init(model, override_source, bos, eos);
      explicit_template = common_chat_templates_was_explicit(own.get());
      source = common_chat_templates_source(own.get());
      const auto caps = common_chat_templates_get_caps(own.get());
      const auto can = [&](const char* name) { return caps.contains(name) && caps.at(name); };
      parallel_tool_calls = can("supports_parallel_tool_calls");
      plain_answers = answers_plainly();
      if (can("supports_tools") && can("supports_tool_calls")) return;
      fallback = common_chat_templates_init(nullptr, kToolTemplate, bos, eos);
      parallel_tool_calls = true;
    } catch (const std::exception& e) {
      failure = e.what();
      own.reset();
    }
  }

  // Asked of the parser itself: it maps a text to itself.
  bool answers_plainly() const {
    common_chat_templates_inputs inputs;
    inputs.messages.resize(1);
    inputs.messages[0].role = "user";
    inputs.messages[0].content = "x";
    inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    const common_chat_params params = common_chat_templates_apply(own.get(), inputs);
    if (params.supports_thinking || !params.grammar.empty()) return false;
    const std::string probe = "a plain  answer\n{\"b\": [1]} ";
    return common_chat_parse(probe, false, make_parser(params, inputs)->params).content == probe;
  }

  // The prompt, and with it grammar, stops and parser.
  common_chat_params apply(const common_chat_templates_inputs& inputs) const {
    if (!fallback || !speaks_of_tools(inputs)) return common_chat_templates_apply(own.get(), inputs);
    common_chat_templates_inputs worded = inputs;
    worded.messages = tell_tools(inputs.messages, calls_tools(inputs) ? inputs.tools : NoTools{});
    worded.tools.clear();
    worded.tool_choice = COMMON_CHAT_TOOL_CHOICE_NONE;
    common_chat_params prompt = common_chat_templates_apply(own.get(), worded);
    if (!calls_tools(inputs)) return prompt;
    common_chat_params out = common_chat_templates_apply(fallback.get(), inputs);
    out.prompt = std::move(prompt.prompt);
    out.additional_stops = std::move(prompt.additional_stops);
    return out;
  }

  Result<RenderedChat> render(common_chat_templates_inputs inputs) const {
    const bool plain = plain_answers && !calls_tools(inputs);
    const std::string schema = inputs.json_schema;
    if (plain) inputs.json_schema.clear();  // the schema's grammar alone, without the template's wrapping
    const common_chat_params params = apply(inputs);
    inputs.json_schema = schema;
    RenderedChat out;
    out.prompt = params.prompt;
    out.stops = params.additional_stops;
    out.add_bos = true;
    if (fallback && calls_tools(inputs) && inputs.tool_choice == COMMON_CHAT_TOOL_CHOICE_REQUIRED)
      out.sampling.grammar = required_call_grammar(inputs.tools, inputs.parallel_tool_calls);
    else
      copy_grammar(params, !inputs.grammar.empty(), out.sampling);
    SLIPWAY_RETURN_IF_ERROR(enforce(inputs, out.sampling));
    if (!plain) out.parser = make_parser(params, inputs);
    return out;
  }
};

ChatFormat::ChatFormat(const llama_model* model) : impl_(std::make_unique<Impl>()) {
  impl_->load(model, "", "", "");
}

ChatFormat::ChatFormat(const std::string& template_source, const std::string& bos, const std::string& eos)
    : impl_(std::make_unique<Impl>()) {
  impl_->load(nullptr, template_source, bos, eos);
}

ChatFormat::~ChatFormat() = default;

std::string_view ChatFormat::template_source() const {
  return impl_->source;
}

bool ChatFormat::has_template() const {
  return impl_->own != nullptr && impl_->explicit_template;
}

Result<RenderedChat> ChatFormat::render(std::string_view body) const {
  if (!impl_->own)
    return Error(ErrorCode::unsupported, "the model's chat template cannot be used: " + impl_->failure)
        .with_next("Use /v1/completions, or a model file with a valid template.");
  if (!impl_->explicit_template)
    return Error(ErrorCode::unsupported, "this model has no chat template: it is a base model")
        .with_next("Use /v1/completions, or deploy an instruct model.");
  SLIPWAY_TRY(const common_chat_templates_inputs inputs,
              parse_chat_request(body, impl_->parallel_tool_calls));
  return guarded(ErrorCode::bad_request, "the chat template refused the messages",
                 [&] { return impl_->render(inputs); });
}

Result<std::string> ChatFormat::schema_to_grammar(std::string_view schema_json) {
  if (!depth_within(schema_json, kMaxSchemaDepth))
    return Error(ErrorCode::bad_schema,
                 "the JSON schema nests deeper than " + std::to_string(kMaxSchemaDepth));
  silence_llama_common();
  return guarded(ErrorCode::bad_schema, "the JSON schema cannot be enforced", [&]() -> Result<std::string> {
    const common_json schema = common_json::parse(std::string(schema_json));
    SLIPWAY_RETURN_IF_ERROR(check_schema(schema, Enforcement::complete));
    std::string grammar = json_schema_to_grammar(schema, true);
    if (grammar.size() > kMaxGrammarBytes)
      return Error(ErrorCode::bad_schema, "the JSON schema makes a grammar of " +
                                              std::to_string(grammar.size()) + " bytes, the limit is " +
                                              std::to_string(kMaxGrammarBytes));
    return grammar;
  });
}

Result<ParsedMessage> ChatFormat::parse(const RenderedChat& rendered, std::string_view text,
                                        bool partial) const {
  ParsedMessage out;
  if (!rendered.parser) {
    out.content = text;
    return out;
  }
  if (!output_depth_within(text, kMaxOutputDepth))
    return Error(ErrorCode::unsupported, "the model's output nests too deep to be parsed");
  return guarded(ErrorCode::internal, "the model's output does not have the template's form",
                 [&]() -> Result<ParsedMessage> {
                   const auto& parser = *static_cast<const Parser*>(rendered.parser.get());
                   const common_chat_msg message =
                       common_chat_parse(std::string(text), partial, parser.params);
                   out.content = message.render_content();
                   out.reasoning = message.reasoning_content;
                   for (const common_chat_tool_call& call : message.tool_calls)
                     out.tool_calls.push_back({call.id, call.name, call.arguments});
                   // A name may still grow until its arguments begin.
                   if (partial && !out.tool_calls.empty() && out.tool_calls.back().arguments.empty())
                     out.tool_calls.pop_back();
                   return std::move(out);
                 });
}

namespace {

// What `after` adds to `before`. A parse that took something back adds nothing until it has caught up.
std::string_view added(std::string_view before, std::string_view after) {
  return after.starts_with(before) ? after.substr(before.size()) : std::string_view();
}

}  // namespace

std::vector<MessageDelta> ChatFormat::diff(const ParsedMessage& before, const ParsedMessage& after) {
  std::vector<MessageDelta> out;
  if (const auto more = added(before.reasoning, after.reasoning); !more.empty())
    out.emplace_back().reasoning = more;
  if (const auto more = added(before.content, after.content); !more.empty())
    out.emplace_back().content = more;
  for (std::size_t i = 0; i < after.tool_calls.size(); ++i) {
    const ToolCall& now = after.tool_calls[i];
    const bool known = i < before.tool_calls.size();
    const auto more =
        known ? added(before.tool_calls[i].arguments, now.arguments) : std::string_view(now.arguments);
    if (known && more.empty()) continue;
    MessageDelta& delta = out.emplace_back();
    delta.tool_index = static_cast<int>(i);
    delta.tool.arguments = more;
    if (known) continue;
    delta.tool.id = now.id;
    delta.tool.name = now.name;
  }
  return out;
}

}  // namespace slipway::engine
