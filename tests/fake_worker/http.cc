#include "http.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "codec/openai_request.h"

namespace slipway::fake {
namespace {

using nlohmann::json;

struct Request {
  std::string path, body;
};

class Connection {
 public:
  Connection(int fd, Engine& engine) : fd_(fd), engine_(engine) {}
  ~Connection() { ::close(fd_); }

  void serve() {
    while (const auto request = read()) {
      if (!answer(*request)) return;
    }
  }

 private:
  std::optional<Request> read() {
    while (buffer_.find("\r\n\r\n") == std::string::npos)
      if (!fill()) return std::nullopt;
    const std::size_t head_end = buffer_.find("\r\n\r\n") + 4;
    std::string head = buffer_.substr(0, head_end);
    std::ranges::transform(head, head.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::size_t length = 0;
    if (const std::size_t at = head.find("content-length:"); at != std::string::npos)
      length = std::stoul(head.substr(at + 15));
    while (buffer_.size() < head_end + length)
      if (!fill()) return std::nullopt;
    const std::size_t blank = buffer_.find(' ');
    Request request{buffer_.substr(blank + 1, buffer_.find(' ', blank + 1) - blank - 1),
                    buffer_.substr(head_end, length)};
    buffer_.erase(0, head_end + length);
    return request;
  }

  bool fill() {
    char bytes[16384];
    const ssize_t n = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }

  bool send(std::string_view bytes) {
    const std::size_t piece = engine_.switches().drip_ms > 0 ? 1 : bytes.size();
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), std::min(piece, bytes.size()), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
      if (engine_.switches().drip_ms > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(engine_.switches().drip_ms));
    }
    return true;
  }

  bool respond(int status, const std::string& body) {
    return send(fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                            status, body.size(), body));
  }

  bool answer(const Request& request) {
    if (request.path == "/internal/strikes") {
      auto strikes = codec::decode_strikes(request.body);
      if (strikes) engine_.set_strikes(*strikes);
      return respond(strikes ? 200 : 400, "{}");
    }
    if (!request.path.starts_with("/v1/")) return respond(request.path == "/health" ? 200 : 404, "{}");
    const std::uint64_t fingerprint = codec::request_fingerprint(request.body);
    if (!engine_.begin(fingerprint))
      return respond(
          422,
          R"({"error":{"code":"quarantined","message":"this request ended two workers","type":"invalid_request_error","retryable":false}})");
    const bool again = run(json::parse(request.body, nullptr, false), request.body);
    engine_.end(fingerprint);
    return again;
  }

  bool run(const json& body, const std::string& text) {
    if (text.contains("POISON")) engine_.crash();
    if (text.contains("STALL")) engine_.hang();
    if (engine_.switches().garbage) {
      send("\x01\x02 this is not HTTP\r\n\r\n");
      return false;
    }
    const int tokens =
        body.is_object() ? body.value("max_tokens", engine_.switches().tokens) : engine_.switches().tokens;
    if (body.is_object() && body.value("stream", false)) return stream(tokens);
    for (int i = 0; i < tokens; ++i) engine_.token();
    if (engine_.switches().truncate_after >= 0) {
      send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"id\":");
      return false;
    }
    std::string said;
    for (int i = 0; i < tokens; ++i) said += fmt::format("word{} ", i);
    return respond(200,
                   json{{"id", "chatcmpl-fake"},
                        {"object", "chat.completion"},
                        {"created", 1},
                        {"model", engine_.plan().model_id},
                        {"choices", json::array({{{"index", 0},
                                                  {"finish_reason", "length"},
                                                  {"message", {{"role", "assistant"}, {"content", said}}}}})},
                        {"usage", usage(tokens)}}
                       .dump());
  }

  static json usage(int tokens) {
    return {{"prompt_tokens", 3}, {"completion_tokens", tokens}, {"total_tokens", 3 + tokens}};
  }

  bool chunk(const std::string& data) { return send(fmt::format("{:x}\r\n{}\r\n", data.size(), data)); }

  bool stream(int tokens) {
    if (!send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"))
      return false;
    json event = {{"id", "chatcmpl-fake"},
                  {"object", "chat.completion.chunk"},
                  {"created", 1},
                  {"model", engine_.plan().model_id}};
    for (int i = 0; i < tokens; ++i) {
      if (i == engine_.switches().truncate_after) return false;
      engine_.token();
      event["choices"] = json::array(
          {{{"index", 0}, {"delta", {{"content", fmt::format("word{} ", i)}}}, {"finish_reason", nullptr}}});
      if (!chunk("data: " + event.dump() + "\n\n")) return false;
    }
    event["choices"] = json::array({{{"index", 0}, {"delta", json::object()}, {"finish_reason", "length"}}});
    if (!chunk("data: " + event.dump() + "\n\n")) return false;
    event["choices"] = json::array();
    event["usage"] = usage(tokens);
    return chunk("data: " + event.dump() + "\n\n") && chunk("data: [DONE]\n\n") && send("0\r\n\r\n");
  }

  const int fd_;
  Engine& engine_;
  std::string buffer_;
};

}  // namespace

void serve(int listener, Engine& engine) {
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd < 0) {  // the parent's socket is non-blocking
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    std::thread([fd, &engine] { Connection(fd, engine).serve(); }).detach();
  }
}

}  // namespace slipway::fake
