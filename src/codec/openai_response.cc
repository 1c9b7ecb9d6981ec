#include "codec/openai_response.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

namespace slipway::codec {

using base::append_json_string, base::append_json_text;
namespace {

void append_integer(std::string& out, std::int64_t value) {
  char buffer[24];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  static_cast<void>(error);
  out.append(buffer, end);
}

void append_identity(std::string& out, const AnswerIdentity& identity, std::string_view object) {
  out += "{\"id\":";
  append_json_string(out, identity.id);
  out += ",\"object\":\"";
  out += object;
  out += "\",\"created\":";
  append_integer(out, identity.created);
  out += ",\"model\":";
  append_json_string(out, identity.model);
  out += ",\"system_fingerprint\":";
  append_json_string(out, identity.system_fingerprint);
  out += ",\"choices\":[";
}

void append_logprobs(std::string& out, std::string_view logprobs) {
  out += ",\"logprobs\":";
  out += logprobs.empty() ? "null" : logprobs;
}

void append_token(std::string& out, std::string_view text, double logprob) {
  out += "{\"token\":";
  append_json_string(out, text);
  out += ",\"logprob\":";
  append_json_number(out, logprob);
  out += ",\"bytes\":[";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i > 0) out += ',';
    append_integer(out, static_cast<unsigned char>(text[i]));
  }
  out += ']';
}

void append_comma(std::string& out) {
  if (!out.empty()) out += ',';
}

void append_base64(std::string& out, std::span<const float> vector) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static_assert(std::endian::native == std::endian::little);
  const auto* bytes = reinterpret_cast<const unsigned char*>(vector.data());
  const std::size_t size = vector.size_bytes();
  for (std::size_t i = 0; i < size; i += 3) {
    const std::size_t left = size - i;
    const unsigned group =
        bytes[i] << 16 | (left > 1 ? bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
    out += kAlphabet[group >> 18];
    out += kAlphabet[group >> 12 & 63];
    out += left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    out += left > 2 ? kAlphabet[group & 63] : '=';
  }
}

void append_vector(std::string& out, std::span<const float> vector, bool base64) {
  if (base64) {
    out += '"';
    append_base64(out, vector);
    out += '"';
    return;
  }
  out += '[';
  char buffer[32];
  for (std::size_t i = 0; i < vector.size(); ++i) {
    if (i > 0) out += ',';
    const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), vector[i]);
    static_cast<void>(error);
    out.append(buffer, end);
  }
  out += ']';
}

// {"index":0,"id":...,"type":"function","function":{...}}; `streamed` pieces carry an index.
void append_tool_call(std::string& out, const ToolCallPiece& piece, bool streamed) {
  out += '{';
  if (streamed) {
    out += "\"index\":";
    append_integer(out, piece.index);
    out += ',';
  }
  if (!piece.id.empty()) {
    out += "\"id\":";
    append_json_string(out, piece.id);
    out += ",\"type\":\"function\",";
  }
  out += "\"function\":{";
  if (!piece.name.empty()) {
    out += "\"name\":";
    append_json_string(out, piece.name);
    out += ',';
  }
  out += "\"arguments\":";
  append_json_string(out, piece.arguments);
  out += "}}";
}

void append_message(std::string& out, const AnswerChoice& choice) {
  out += ",\"message\":{\"role\":\"assistant\",\"content\":";
  if (choice.content.empty() && !choice.tool_calls.empty())
    out += "null";
  else
    append_json_string(out, choice.content);
  if (!choice.reasoning.empty()) {
    out += ",\"reasoning_content\":";
    append_json_string(out, choice.reasoning);
  }
  out += ",\"refusal\":null";
  if (!choice.tool_calls.empty()) {
    out += ",\"tool_calls\":[";
    for (std::size_t i = 0; i < choice.tool_calls.size(); ++i) {
      if (i > 0) out += ',';
      append_tool_call(out, choice.tool_calls[i], false);
    }
    out += ']';
  }
  out += '}';
}

}  // namespace

void append_json_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "null";
    return;
  }
  if (std::isinf(value)) value = std::copysign(std::numeric_limits<double>::max(), value);
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  static_cast<void>(error);
  out.append(buffer, end);
}

void append_usage(std::string& out, const AnswerUsage& usage) {
  out += "{\"prompt_tokens\":";
  append_integer(out, usage.prompt_tokens);
  out += ",\"completion_tokens\":";
  append_integer(out, usage.completion_tokens);
  out += ",\"total_tokens\":";
  append_integer(out, usage.prompt_tokens + usage.completion_tokens);
  out += ",\"prompt_tokens_details\":{\"cached_tokens\":";
  append_integer(out, usage.cached_tokens);
  out += "}}";
}

void append_chat_logprob(std::string& out, const LogprobEntry& entry) {
  append_token(out, entry.text, entry.logprob);
  out += ",\"top_logprobs\":[";
  for (std::size_t i = 0; i < entry.top.size(); ++i) {
    if (i > 0) out += ',';
    append_token(out, entry.top[i].first, entry.top[i].second);
    out += '}';
  }
  out += "]}";
}

void TextLogprobs::add(const LogprobEntry& entry) {
  append_comma(tokens_);
  append_json_string(tokens_, entry.text);
  append_comma(logprobs_);
  append_json_number(logprobs_, entry.logprob);
  append_comma(offsets_);
  append_integer(offsets_, static_cast<std::int64_t>(offset_));
  append_comma(top_);
  top_ += '{';
  for (std::size_t i = 0; i < entry.top.size(); ++i) {
    if (i > 0) top_ += ',';
    append_json_string(top_, entry.top[i].first);
    top_ += ':';
    append_json_number(top_, entry.top[i].second);
  }
  top_ += '}';
  offset_ += entry.text.size();
}

std::string TextLogprobs::take() {
  std::string out = "{\"tokens\":[" + tokens_ + "],\"token_logprobs\":[" + logprobs_ +
                    "],\"top_logprobs\":[" + top_ + "],\"text_offset\":[" + offsets_ + "]}";
  for (std::string* list : {&tokens_, &logprobs_, &top_, &offsets_}) list->clear();
  return out;
}

StreamWriter::StreamWriter(AnswerKind kind, const AnswerIdentity& identity, bool usage_field)
    : kind_(kind), prefix_("data: "), end_(usage_field ? "],\"usage\":null}\n\n" : "]}\n\n") {
  append_identity(prefix_, identity, kind == AnswerKind::chat ? "chat.completion.chunk" : "text_completion");
}

void StreamWriter::open(std::string& out, int choice) const {
  out += prefix_;
  out += "{\"index\":";
  append_integer(out, choice);
  out += kind_ == AnswerKind::chat ? ",\"delta\":{" : ",\"text\":\"";
}

void StreamWriter::close(std::string& out, std::string_view logprobs, std::string_view reason) const {
  out += kind_ == AnswerKind::chat ? '}' : '"';
  append_logprobs(out, logprobs);
  out += ",\"finish_reason\":";
  if (reason.empty())
    out += "null";
  else
    append_json_string(out, reason);
  out += '}';
  out += end_;
}

void StreamWriter::role(std::string& out, int choice) const {
  open(out, choice);
  out += "\"role\":\"assistant\",\"content\":\"\"";
  close(out, {}, {});
}

void StreamWriter::content(std::string& out, int choice, std::string_view text,
                           std::string_view logprobs) const {
  open(out, choice);
  if (kind_ == AnswerKind::chat) out += "\"content\":\"";
  append_json_text(out, text);
  if (kind_ == AnswerKind::chat) out += '"';
  close(out, logprobs, {});
}

void StreamWriter::reasoning(std::string& out, int choice, std::string_view text) const {
  open(out, choice);
  out += "\"reasoning_content\":";
  append_json_string(out, text);
  close(out, {}, {});
}

void StreamWriter::tool_call(std::string& out, int choice, const ToolCallPiece& piece) const {
  open(out, choice);
  out += "\"tool_calls\":[";
  append_tool_call(out, piece, true);
  out += ']';
  close(out, {}, {});
}

void StreamWriter::finish(std::string& out, int choice, std::string_view reason,
                          std::string_view logprobs) const {
  open(out, choice);
  close(out, logprobs, reason);
}

void StreamWriter::usage(std::string& out, const AnswerUsage& usage) const {
  out += prefix_;
  out += "],\"usage\":";
  append_usage(out, usage);
  out += "}\n\n";
}

void StreamWriter::done(std::string& out) {
  out += "data: [DONE]\n\n";
}

std::string whole_answer(AnswerKind kind, const AnswerIdentity& identity,
                         std::span<const AnswerChoice> choices, const AnswerUsage& usage) {
  std::string out;
  append_identity(out, identity, kind == AnswerKind::chat ? "chat.completion" : "text_completion");
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const AnswerChoice& choice = choices[i];
    out += i > 0 ? ",{\"index\":" : "{\"index\":";
    append_integer(out, choice.index);
    if (kind == AnswerKind::chat) {
      append_message(out, choice);
    } else {
      out += ",\"text\":";
      append_json_string(out, choice.content);
    }
    append_logprobs(out, choice.logprobs);
    out += ",\"finish_reason\":";
    append_json_string(out, choice.finish_reason);
    out += '}';
  }
  out += "],\"usage\":";
  append_usage(out, usage);
  out += '}';
  return out;
}

std::string embeddings_answer(std::string_view model, std::span<const std::vector<float>> vectors,
                              bool base64, std::int64_t prompt_tokens) {
  std::string out = "{\"object\":\"list\",\"data\":[";
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    out += i > 0 ? ",{\"object\":\"embedding\",\"index\":" : "{\"object\":\"embedding\",\"index\":";
    append_integer(out, static_cast<std::int64_t>(i));
    out += ",\"embedding\":";
    append_vector(out, vectors[i], base64);
    out += '}';
  }
  out += "],\"model\":";
  append_json_string(out, model);
  out += ",\"usage\":{\"prompt_tokens\":";
  append_integer(out, prompt_tokens);
  out += ",\"total_tokens\":";
  append_integer(out, prompt_tokens);
  out += "}}";
  return out;
}

}  // namespace slipway::codec
