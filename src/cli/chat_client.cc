#include "cli/chat_client.h"

#include <fmt/format.h>

#include "cli/client.h"
#include "cli/interrupt.h"
#include "cli/sse_reader.h"
#include "io/http.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxErrorBody = 1u << 20;

Json body_of(const ChatRequest& request) {
  Json body{{"model", request.model}, {"stream", true}, {"stream_options", {{"include_usage", true}}}};
  if (request.chat) {
    Json messages = Json::array();
    for (const ChatTurn& turn : request.turns)
      messages.push_back({{"role", turn.role}, {"content", turn.content}});
    body["messages"] = std::move(messages);
  } else {
    body["prompt"] = request.turns.empty() ? "" : request.turns.back().content;
  }
  if (request.max_tokens > 0) body["max_tokens"] = request.max_tokens;
  if (request.temperature) body["temperature"] = *request.temperature;
  return body;
}

// What the events of one answer add up to.
class Collector {
 public:
  Collector(const ChatClient::OnText& on_text) : on_text_(on_text), start_(base::monotonic_now()) {}

  // False when the stream is over.
  bool event(std::string_view data) {
    if (data == "[DONE]") {
      done_ = true;
      return false;
    }
    const Json value = Json::parse(data, nullptr, false);
    if (value.is_object() && value.contains("error")) {
      error_ = error_from_json(value, 502);
      return false;
    }
    if (const auto usage = value.find("usage"); usage != value.end() && usage->is_object())
      take_usage(*usage);
    for (const Json& choice : list_of(value, "choices")) take_choice(choice);
    return true;
  }

  bool done() const { return done_; }
  std::optional<Error>& error() { return error_; }
  ChatAnswer finish(bool interrupted) {
    if (interrupted) answer_.finish_reason = "interrupted";
    const double streamed = base::seconds(last_ - first_);
    const std::uint64_t tokens = answer_.completion_tokens > 0 ? answer_.completion_tokens : pieces_;
    if (tokens > 1 && streamed > 0) answer_.tokens_per_s = static_cast<double>(tokens - 1) / streamed;
    answer_.completion_tokens = tokens;
    return std::move(answer_);
  }

 private:
  void take_usage(const Json& usage) {
    answer_.prompt_tokens = static_cast<std::uint64_t>(number_of(usage, "prompt_tokens"));
    answer_.completion_tokens = static_cast<std::uint64_t>(number_of(usage, "completion_tokens"));
    answer_.cached_tokens =
        static_cast<std::uint64_t>(number_of(object_of(usage, "prompt_tokens_details"), "cached_tokens"));
  }

  void take_choice(const Json& choice) {
    if (std::string reason = text_of(choice, "finish_reason"); !reason.empty())
      answer_.finish_reason = std::move(reason);
    const auto delta = choice.find("delta");
    const Json& piece = delta == choice.end() ? choice : *delta;
    take_text(ChatClient::Part::reasoning, text_of(piece, "reasoning_content"));
    take_text(ChatClient::Part::text, text_of(piece, delta == choice.end() ? "text" : "content"));
  }

  void take_text(ChatClient::Part part, const std::string& text) {
    if (text.empty()) return;
    last_ = base::monotonic_now();
    if (pieces_++ == 0) {
      first_ = last_;
      answer_.ttft = first_ - start_;
    }
    if (part == ChatClient::Part::text) answer_.text += text;
    on_text_(part, text);
  }

  const ChatClient::OnText& on_text_;
  const base::MonotonicTime start_;
  base::MonotonicTime first_{}, last_{};
  std::uint64_t pieces_ = 0;
  ChatAnswer answer_;
  bool done_ = false;
  std::optional<Error> error_;
};

}  // namespace

base::Result<ChatAnswer> ChatClient::ask(const ChatRequest& request, const OnText& on_text) {
  const std::string body = body_of(request).dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::string host = io::to_string(gateway_);
  const std::string authorization = "Bearer " + key_;
  io::HttpRequest call;
  call.method = "POST";
  call.target = request.chat ? "/v1/chat/completions" : "/v1/completions";
  call.host = host;
  call.headers = {{"content-type", "application/json"}};
  if (!key_.empty()) call.headers.push_back({"authorization", authorization});
  call.body = body;

  Collector collector(on_text);
  SseReader reader([&](std::string_view, std::string_view data) { return collector.event(data); });
  std::string plain;
  const auto on_data = [&](std::string_view piece) {
    if (plain.size() < kMaxErrorBody) plain += piece;
    auto more = reader.feed(piece);
    if (more) return *more;
    collector.error() = std::move(more).error();
    return false;
  };
  auto answer = io::http_call(gateway_, call, base::Deadline(), on_data, &Interrupt::flag());
  if (collector.error()) return *std::move(collector.error());
  if (collector.done()) return collector.finish(false);
  if (Interrupt::raised()) return collector.finish(true);
  if (!answer) return std::move(answer).error();
  if (answer->status >= 400) return error_from_json(Json::parse(plain, nullptr, false), answer->status);
  return Error(ErrorCode::replica_lost, "the answer's stream ended without its end mark");
}

base::Result<domain::Endpoint> endpoint_of_url(std::string_view url) {
  std::string_view rest = url;
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  rest = rest.substr(0, rest.find('/'));
  SLIPWAY_TRY(domain::Endpoint endpoint, io::parse_endpoint(rest));
  if (endpoint.host == "0.0.0.0") endpoint.host = "127.0.0.1";
  if (endpoint.host == "::") endpoint.host = "::1";
  return endpoint;
}

std::string speed_line(const ChatAnswer& answer) {
  std::string line =
      fmt::format("{} token{}", answer.completion_tokens, answer.completion_tokens == 1 ? "" : "s");
  if (answer.tokens_per_s > 0) line += fmt::format(", {:.0f} tokens/s", answer.tokens_per_s);
  if (answer.ttft.count() > 0)
    line += fmt::format(", first token after {:.1f} s", base::seconds(answer.ttft));
  if (answer.cached_tokens > 0)
    line += fmt::format(", {} of {} prompt tokens cached", answer.cached_tokens, answer.prompt_tokens);
  if (answer.finish_reason == "length") line += " (stopped at the token limit)";
  if (answer.interrupted()) line += " (stopped)";
  return line;
}

}  // namespace slipway::cli
