#include "gateway/paths.h"

#include <array>
#include <charconv>

namespace slipway::gateway {
namespace {

struct Row {
  std::string_view path;
  Path meaning;
  std::string_view target;
};
constexpr auto kRows = std::to_array<Row>({
    {"/v1/chat/completions", Path::chat, "/v1/chat/completions"},
    {"/v1/completions", Path::completions, "/v1/completions"},
    {"/v1/embeddings", Path::embeddings, "/v1/embeddings"},
    {"/v1/images/generations", Path::images, "/v1/images/generations"},
    {"/v1/models", Path::models, ""},
    {"/tokenize", Path::tokenize, "/tokenize"},
    {"/detokenize", Path::detokenize, "/detokenize"},
    {"/health", Path::health, ""},
    {"/ready", Path::ready, ""},
    {"/metrics", Path::metrics, ""},
});
constexpr std::string_view kModelPrefix = "/v1/models/";

// "%2F" -> "/"; anything malformed stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::string_view name(Path path) {
  switch (path) {
    case Path::chat:
      return "chat";
    case Path::completions:
      return "completions";
    case Path::embeddings:
      return "embeddings";
    case Path::images:
      return "images";
    case Path::tokenize:
      return "tokenize";
    case Path::detokenize:
      return "detokenize";
    case Path::models:
      return "models";
    case Path::model:
      return "model";
    case Path::health:
      return "health";
    case Path::ready:
      return "ready";
    case Path::metrics:
      return "metrics";
    case Path::other:
      return "other";
  }
  return "other";
}

bool is_relayed(Path path) {
  return path <= Path::detokenize;
}

codec::OpenAiCall call_of(Path path) {
  switch (path) {
    case Path::completions:
      return codec::OpenAiCall::completion;
    case Path::embeddings:
      return codec::OpenAiCall::embeddings;
    case Path::images:
      return codec::OpenAiCall::images;
    case Path::tokenize:
      return codec::OpenAiCall::tokenize;
    case Path::detokenize:
      return codec::OpenAiCall::detokenize;
    default:
      return codec::OpenAiCall::chat;
  }
}

std::string_view allowed_methods(Path path) {
  return is_relayed(path) ? "POST" : "GET, HEAD";
}

PathMatch match_path(std::string_view path) {
  for (const Row& row : kRows)
    if (row.path == path) return {row.meaning, row.target, {}};
  if (path.starts_with(kModelPrefix) && path.size() > kModelPrefix.size())
    return {Path::model, {}, percent_decoded(path.substr(kModelPrefix.size()))};
  return {};
}

}  // namespace slipway::gateway
