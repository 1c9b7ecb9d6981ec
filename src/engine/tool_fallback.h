// Tool calls for models whose own template knows nothing about tools.
//
// The tools are described in the system message, earlier calls and results are rewritten as plain text, and
// the model's own template renders that conversation. Grammar and parser come from kToolTemplate, a small
// template of ours in the widespread <tool_call>{"name":...,"arguments":...}</tool_call> shape, so that
// llama-common's machinery enforces and parses it like any other. Pure.
#pragma once

#include <string>
#include <vector>

#include <chat.h>

namespace slipway::engine {

extern const char* const kToolTemplate;

inline constexpr int kMaxParallelCalls = 8;

// `messages` with the tools told in words (none: earlier calls and results only); the model needs no template
// support for what comes out.
std::vector<common_chat_msg> tell_tools(const std::vector<common_chat_msg>& messages,
                                        const std::vector<common_chat_tool>& tools);

// Nothing but calls, from the first token on. llama-common's own grammar lets text stand before a required
// call, and a small model may then never come to it. Throws what llama-common throws.
std::string required_call_grammar(const std::vector<common_chat_tool>& tools, bool parallel);

}  // namespace slipway::engine
