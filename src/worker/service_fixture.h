// For tests: a Service on a unix socket, and calls to it.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "worker/service.h"
#include "worker/testing.h"

namespace slipway::worker::testing {

class ServedService {
 public:
  ServedService()
      : loop_("test"), server_(loop_, {}, [this](io::Exchange& e) { return service->handle(e); }) {}
  ~ServedService() {
    std::promise<void> gone;
    loop_.spawn(close(gone));
    gone.get_future().wait();
  }

  void serve(engine::Engine& engine, const engine::ChatFormat& format) {
    service = std::make_unique<Service>(loop_, engine, format, registry_, codec::Strikes{});
    const auto listening = server_.listen(endpoint());
    SLIPWAY_CHECK(listening);
    loop_.start();
  }

  io::BlockingResponse call(std::string_view method, std::string_view path, std::string_view body,
                            std::vector<io::Header> headers = {},
                            const std::function<bool(std::string_view)>& on_data = {}) {
    io::HttpRequest request;
    request.method = method;
    request.target = path;
    request.headers = std::move(headers);
    request.body = body;
    auto response =
        io::http_call(endpoint(), request, base::Deadline::after(std::chrono::seconds(100)), on_data);
    EXPECT_TRUE(response) << response.error().to_string();
    return response ? *response : io::BlockingResponse{};
  }

  nlohmann::json post(std::string_view path, std::string_view body, int status = 200,
                      std::vector<io::Header> headers = {}) {
    const auto response = call("POST", path, body, std::move(headers));
    EXPECT_EQ(response.status, status) << response.body;
    auto parsed = nlohmann::json::parse(response.body, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << response.body;
    return parsed;
  }

  // The data of every event of a stream; "[DONE]" as a JSON string.
  std::vector<nlohmann::json> events(std::string_view path, std::string_view body,
                                     std::vector<io::Header> headers = {}) {
    const auto response = call("POST", path, body, std::move(headers));
    EXPECT_EQ(response.status, 200) << response.body;
    std::vector<nlohmann::json> out;
    std::string_view left = response.body;
    while (!left.empty()) {
      const std::size_t end = left.find("\n\n");
      EXPECT_NE(end, std::string_view::npos) << "an unfinished event: " << left;
      std::string_view event = left.substr(0, end);
      if (event.starts_with("event: error\n")) event.remove_prefix(13);
      EXPECT_TRUE(event.starts_with("data: ")) << event;
      event.remove_prefix(6);
      out.push_back(event == "[DONE]" ? nlohmann::json("[DONE]") : nlohmann::json::parse(event));
      left.remove_prefix(end == std::string_view::npos ? left.size() : end + 2);
    }
    return out;
  }

  void post_to_loop(std::function<void()> fn) { loop_.post(std::move(fn)); }

 private:
  io::Endpoint endpoint() const {
    io::Endpoint out;
    out.path = directory_.file("s");
    return out;
  }
  io::Task<> close(std::promise<void>& gone) {
    static_cast<void>(co_await server_.drain(base::Deadline::after(std::chrono::seconds(30))));
    gone.set_value();
  }

  TestDirectory directory_;
  telemetry::Registry registry_;
  io::Loop loop_;
  io::HttpServer server_;

 public:
  std::unique_ptr<Service> service;  // goes first: its preparing threads use the loop
};

// The contents of a choice over a stream.
inline std::string content_of(const std::vector<nlohmann::json>& stream, int choice = 0) {
  std::string out;
  for (const nlohmann::json& event : stream)
    if (event.is_object() && event.contains("choices") && !event["choices"].empty() &&
        event["choices"][0]["index"] == choice)
      out += event["choices"][0]["delta"].value("content", "");
  return out;
}

}  // namespace slipway::worker::testing
