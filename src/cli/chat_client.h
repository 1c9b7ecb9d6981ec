// One conversation with a deployed model through the gateway's OpenAI API, streamed.
//
// Threads: one; ask() blocks and ends early when Interrupt is raised. Failure: the gateway's error, or
// replica_lost when the stream ends without its end mark.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "domain/replica.h"

namespace slipway::cli {

struct ChatTurn {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

struct ChatRequest {
  std::string model;
  bool chat = true;  // false: a base model, which completes the last turn's text
  std::vector<ChatTurn> turns;
  std::int64_t max_tokens = 0;  // 0: the server decides
  std::optional<double> temperature;
};

struct ChatAnswer {
  std::string text;
  std::string finish_reason;  // "stop", "length", "interrupted"
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t cached_tokens = 0;
  base::Duration ttft{};    // request sent to first text
  double tokens_per_s = 0;  // after the first token; 0 when there was only one
  bool interrupted() const { return finish_reason == "interrupted"; }
};

class ChatClient {
 public:
  enum class Part { text, reasoning };
  using OnText = std::function<void(Part part, std::string_view text)>;

  ChatClient(domain::Endpoint gateway, std::string key)
      : gateway_(std::move(gateway)), key_(std::move(key)) {}
  base::Result<ChatAnswer> ask(const ChatRequest& request, const OnText& on_text);

 private:
  domain::Endpoint gateway_;
  std::string key_;
};

// "http://127.0.0.1:8000" -> where to connect; the wildcard addresses become loopback.
base::Result<domain::Endpoint> endpoint_of_url(std::string_view url);
// "24 tokens, 71 tokens/s, first token after 0.1 s".
std::string speed_line(const ChatAnswer& answer);

}  // namespace slipway::cli
