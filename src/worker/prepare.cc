#include "worker/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/chat.h"

namespace slipway::worker {
namespace {

using base::Error, base::ErrorCode, base::Result;
using engine::Token, engine::Vocabulary;
using nlohmann::json;
using Prompt = std::vector<Token>;

Result<Prompt> read_tokens(const Vocabulary& vocabulary, const json& list, const char* name) {
  Prompt out;
  out.reserve(list.size());
  for (const json& entry : list) {
    if (!entry.is_number_integer() || entry < 0 || entry >= vocabulary.size())
      return bad_field(name, fmt::format("has an entry that is no token id below {}", vocabulary.size()));
    out.push_back(entry.get<Token>());
  }
  return out;
}

Result<Prompt> read_prompt(const Vocabulary& vocabulary, const json& value, const char* name) {
  if (value.is_array()) return read_tokens(vocabulary, value, name);
  if (!value.is_string()) return bad_field(name, "must hold strings or lists of token ids");
  return vocabulary.tokenize(value.get_ref<const std::string&>(), true, true);
}

// response_format and grammar of /v1/completions; chat has its own through the template.
Result<void> constrain(const json& object, engine::Sampling& sampling) {
  SLIPWAY_TRY(sampling.grammar, read_string(object, "grammar"));
  if (sampling.grammar.size() > engine::kMaxGrammarBytes)
    return bad_field("grammar", "is larger than 256 KiB");
  if (sampling.grammar.starts_with("%")) return unsupported_field("grammar", "must be GBNF");
  const auto format = object.find("response_format");
  if (format == object.end() || format->is_null()) return {};
  if (!format->is_object()) return bad_field("response_format", "must be an object");
  SLIPWAY_TRY(const std::string type, read_string(*format, "type"));
  if (type == "text") return {};
  if (!sampling.grammar.empty())
    return unsupported_field("grammar", "cannot be combined with `response_format`");
  json schema = {{"type", "object"}};
  if (type == "json_schema") {
    const auto wrapper = format->find("json_schema");
    if (wrapper == format->end() || !wrapper->is_object() || !wrapper->contains("schema"))
      return bad_field("response_format.json_schema.schema", "is missing");
    schema = wrapper->at("schema");
  } else if (type != "json_object") {
    return bad_field("response_format.type", "must be text, json_object or json_schema");
  }
  auto grammar =
      engine::ChatFormat::schema_to_grammar(schema.dump(-1, ' ', false, json::error_handler_t::replace));
  if (!grammar) return std::move(grammar).error().with_param("response_format");
  sampling.grammar = *std::move(grammar);
  return {};
}

// Control tokens that the template's parser must see as text.
std::vector<Token> specials_of(const Vocabulary& vocabulary, const std::vector<std::string>& preserved) {
  std::vector<Token> out;
  for (const std::string& text : preserved) {
    const Prompt tokens = vocabulary.tokenize(text, false, true);
    if (tokens.size() == 1) out.push_back(tokens[0]);
  }
  return out;
}

// The template's grammar and triggers join what the client asked for.
void take_grammar(engine::Sampling& to, engine::Sampling from) {
  to.grammar = std::move(from.grammar);
  to.grammar_prefill = std::move(from.grammar_prefill);
  to.grammar_lazy = from.grammar_lazy;
  to.triggers = std::move(from.triggers);
  to.preserved_tokens = std::move(from.preserved_tokens);
}

}  // namespace

Result<std::vector<Prompt>> read_prompts(const Vocabulary& vocabulary, const json& value, const char* name,
                                         std::size_t limit) {
  std::vector<Prompt> out;
  const bool one = value.is_string() || (value.is_array() && !value.empty() && value[0].is_number());
  if (one) {
    SLIPWAY_TRY(Prompt prompt, read_prompt(vocabulary, value, name));
    out.push_back(std::move(prompt));
    return out;
  }
  if (!value.is_array() || value.empty())
    return bad_field(name,
                     "must be a string, a list of strings, a list of token ids or a list of such lists");
  if (value.size() > limit)
    return bad_field(name, fmt::format("has {} entries, the limit is {}", value.size(), limit));
  for (const json& entry : value) {
    SLIPWAY_TRY(Prompt prompt, read_prompt(vocabulary, entry, name));
    out.push_back(std::move(prompt));
  }
  return out;
}

Result<Prepared> prepare_chat(const Vocabulary& vocabulary, const engine::ChatFormat& format,
                              std::string_view body) {
  SLIPWAY_TRY(const json object, parse_body(body));
  Prepared out;
  out.operation = Operation::chat;
  SLIPWAY_TRY(out.params, parse_params(Operation::chat, object, vocabulary.size()));
  SLIPWAY_TRY(out.rendered, format.render(body));
  take_grammar(out.params.sampling, std::move(out.rendered.sampling));
  std::ranges::move(out.rendered.stops, std::back_inserter(out.params.stops));
  std::erase_if(out.params.stops, [](const std::string& stop) { return stop.empty(); });
  out.shown_specials = specials_of(vocabulary, out.params.sampling.preserved_tokens);
  if (out.params.logprobs && out.rendered.parser)
    return unsupported_field("logprobs", "cannot be given for an answer with tool calls or reasoning");
  out.prompts.push_back(vocabulary.tokenize(out.rendered.prompt, out.rendered.add_bos, true));
  out.rendered.prompt.clear();
  return out;
}

Result<Prepared> prepare_completion(const Vocabulary& vocabulary, std::string_view body) {
  SLIPWAY_TRY(const json object, parse_body(body));
  Prepared out;
  out.operation = Operation::completion;
  SLIPWAY_TRY(out.params, parse_params(Operation::completion, object, vocabulary.size()));
  SLIPWAY_RETURN_IF_ERROR(constrain(object, out.params.sampling));
  const auto prompt = object.find("prompt");
  if (prompt == object.end() || prompt->is_null()) return bad_field("prompt", "is missing");
  const auto limit = static_cast<std::size_t>(kMaxSubmissions / out.params.n);
  SLIPWAY_TRY(out.prompts, read_prompts(vocabulary, *prompt, "prompt", limit));
  return out;
}

Result<EmbeddingInputs> prepare_embeddings(const Vocabulary& vocabulary, std::string_view body) {
  SLIPWAY_TRY(const json object, parse_body(body));
  EmbeddingInputs out;
  SLIPWAY_TRY(const std::string format, read_string(object, "encoding_format"));
  if (!format.empty() && format != "float" && format != "base64")
    return bad_field("encoding_format", "must be float or base64");
  out.base64 = format == "base64";
  if (object.contains("dimensions") && !object["dimensions"].is_null())
    return unsupported_field("dimensions", "is not supported: the model's vectors have one size");
  const auto input = object.find("input");
  if (input == object.end() || input->is_null()) return bad_field("input", "is missing");
  SLIPWAY_TRY(out.inputs, read_prompts(vocabulary, *input, "input", kMaxEmbeddingInputs));
  return out;
}

}  // namespace slipway::worker
