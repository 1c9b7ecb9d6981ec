// The conversation on a terminal.
#pragma once

#include "base/result.h"
#include "cli/chat_client.h"
#include "cli/verb.h"

namespace slipway::cli {

// Streams one answer to stdout and its speed to stderr (on a terminal or with -v). `print` false: collects
// only.
base::Result<ChatAnswer> stream_answer(Invocation& invocation, ChatClient& client, const ChatRequest& request,
                                       bool print);

// Reads prompts until the input ends. The conversation is kept and sent with each prompt, at most kMaxTurns
// of it.
base::Result<int> chat_repl(Invocation& invocation, ChatClient& client, const ChatRequest& start);
inline constexpr std::size_t kMaxTurns = 200;

}  // namespace slipway::cli
