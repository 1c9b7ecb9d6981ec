// An OpenAI chat body to the inputs of llama-common's templates, every field checked first.
//
// Nothing is left out silently: a part, role, tool or choice that cannot be honoured is an error whose param
// is the path of the field ("messages[2].content[1].type"). Pure; runs on the caller's thread. Failure:
// bad_json, bad_request, unsupported, bad_schema.
#pragma once

#include <string>
#include <string_view>

#include <chat.h>
#include "base/result.h"

namespace slipway::engine {

inline constexpr int kMaxBodyDepth = 64;
inline constexpr std::size_t kMaxMessages = 4096;
inline constexpr std::size_t kMaxTools = 128;
inline constexpr std::size_t kMaxToolName = 64;

// `parallel_tool_calls`: what holds when the body does not say.
base::Result<common_chat_templates_inputs> parse_chat_request(std::string_view body,
                                                              bool parallel_tool_calls);

}  // namespace slipway::engine
