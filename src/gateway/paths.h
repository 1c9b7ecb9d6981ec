// The gateway's paths: what each means and which methods it takes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/openai_request.h"

namespace slipway::gateway {

enum class Path {
  chat,
  completions,
  embeddings,
  images,
  tokenize,
  detokenize,
  models,
  model,
  health,
  ready,
  metrics,
  other
};
inline constexpr std::size_t kPathCount = static_cast<std::size_t>(Path::other) + 1;

// The label of metrics and logs: "chat", "models", ...
std::string_view name(Path path);
// For the paths that are relayed to a replica.
bool is_relayed(Path path);
codec::OpenAiCall call_of(Path path);
// "GET, HEAD" or "POST".
std::string_view allowed_methods(Path path);

struct PathMatch {
  Path path = Path::other;
  std::string_view target;  // what a replica is asked for ("/v1/chat/completions")
  std::string model;        // Path::model: the id, percent-decoded
};
// `path` without a query.
PathMatch match_path(std::string_view path);

}  // namespace slipway::gateway
