#include <thread>

#include "io/http_test_support.h"

namespace slipway::io {
namespace {

using namespace test;
using base::ErrorCode;

base::Deadline soon() {
  return base::Deadline::after(kPatience);
}

// A server that answers each connection with the texts it is given, one a request, then closes.
class Script {
 public:
  explicit Script(std::vector<std::vector<std::string>> connections)
      : listener_(*listen_on({"", "127.0.0.1", 0}, false)) {
    SocketAddress address;
    address.size = sizeof(address.storage);
    ::getsockname(listener_.get(), address.get(), &address.size);
    endpoint_ = to_endpoint(address);
    thread_ = std::thread([this, connections] { play(connections); });
  }
  ~Script() { thread_.join(); }
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  void play(const std::vector<std::vector<std::string>>& connections) {
    for (const auto& answers : connections) {
      pollfd wait{listener_.get(), POLLIN, 0};
      ASSERT_EQ(::poll(&wait, 1, 20'000), 1);
      const Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      for (const std::string& answer : answers) {
        char buffer[4096];
        if (::recv(fd.get(), buffer, sizeof(buffer), 0) <= 0) break;
        ::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      }
    }
  }
  Fd listener_;
  Endpoint endpoint_;
  std::thread thread_;
};

std::string ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

class HttpClientTest : public testing::Test {
 protected:
  HttpClientTest() { loop_.start(); }
  ~HttpClientTest() override {
    on_loop(loop_, [this] { client_.reset(); });
  }
  // The body of one request, or the error's symbol.
  std::string get(const Endpoint& endpoint) {
    std::string result;
    run_task(loop_, [&] { return fetch(*client_, endpoint, result); });
    return result;
  }
  static Task<> fetch(HttpClient& client, const Endpoint& endpoint, std::string& result) {
    auto response = co_await client.send(endpoint, {}, soon());
    if (!response) {
      result = base::info(response.error().code()).symbol;
      co_return;
    }
    const auto body = co_await (*response)->read_all(1000);
    result = body ? *body : std::string(base::info(body.error().code()).symbol);
  }
  Loop loop_{"test-client"};
  std::optional<HttpClient> client_{std::in_place, loop_};
};

TEST_F(HttpClientTest, OneConnectionServesManyRequests) {
  Script script({{ok("1"), ok("2"), ok("3")}});
  EXPECT_EQ(get(script.endpoint()), "1");
  EXPECT_EQ(get(script.endpoint()), "2");
  EXPECT_EQ(get(script.endpoint()), "3");
}

TEST_F(HttpClientTest, AConnectionClosedWhileIdleIsReplacedOnce) {
  Script script({{ok("1")}, {ok("2")}});
  EXPECT_EQ(get(script.endpoint()), "1");
  EXPECT_EQ(get(script.endpoint()), "2");
}

// The pooled connection looks alive, takes the request, and closes without a byte: the request goes out once
// more.
TEST_F(HttpClientTest, AStaleConnectionIsRetriedOnlyWithoutABytesOfAnswer) {
  Script silent({{ok("1"), ""}, {ok("2")}});
  EXPECT_EQ(get(silent.endpoint()), "1");
  EXPECT_EQ(get(silent.endpoint()), "2");
  Script began({{ok("1"), "HTTP/1.1 2"}});
  EXPECT_EQ(get(began.endpoint()), "1");
  EXPECT_EQ(get(began.endpoint()), "io_failed");
}

TEST_F(HttpClientTest, AFreshConnectionThatClosesIsNotRetried) {
  Script script({{""}});
  EXPECT_EQ(get(script.endpoint()), "io_failed");
}

TEST_F(HttpClientTest, AnswersOfEveryFramingAreRead) {
  Script script(
      {{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nuntil the end"}});
  EXPECT_EQ(get(script.endpoint()), "abcdef");
  EXPECT_EQ(get(script.endpoint()), "");
  EXPECT_EQ(get(script.endpoint()), "until the end");
}

TEST_F(HttpClientTest, TruncatedAndMalformedAnswersAreErrors) {
  Script script({{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"},
                 {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"},
                 {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"},
                 {"SSH-2.0-x\r\n"},
                 {"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + std::string(2000, 'x')}});
  EXPECT_EQ(get(script.endpoint()), "io_failed");
  EXPECT_EQ(get(script.endpoint()), "io_failed");
  EXPECT_EQ(get(script.endpoint()), "upstream_garbage");
  EXPECT_EQ(get(script.endpoint()), "upstream_garbage");
  EXPECT_EQ(get(script.endpoint()), "body_too_large");
}

TEST_F(HttpClientTest, AConnectionWithBytesBehindItsAnswerIsNotUsedAgain) {
  Script script({{ok("1") + "HTTP/1.1 200 OK\r\n"}, {ok("2")}});
  EXPECT_EQ(get(script.endpoint()), "1");
  EXPECT_EQ(get(script.endpoint()), "2");
}

TEST_F(HttpClientTest, NobodyListeningIsSaid) {
  Endpoint nobody;
  {
    const base::Result<Fd> fd = listen_on({"", "127.0.0.1", 0}, false);
    SocketAddress address;
    address.size = sizeof(address.storage);
    ::getsockname(fd->get(), address.get(), &address.size);
    nobody = to_endpoint(address);
  }
  const auto answer = http_call(nobody, {}, soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::io_failed);
  EXPECT_TRUE(answer.error().message().starts_with("cannot connect to 127.0.0.1:"))
      << answer.error().message();
  EXPECT_EQ(http_call({"/nonexistent/socket", "", 0}, {}, soon()).error().code(), ErrorCode::io_failed);
}

TEST(Endpoints, AreReadAndPrinted) {
  EXPECT_EQ(to_string(*parse_endpoint("127.0.0.1:80")), "127.0.0.1:80");
  EXPECT_EQ(to_string(*parse_endpoint("tcp:[::1]:80")), "[::1]:80");
  EXPECT_EQ(to_string(*parse_endpoint("unix:/a/b")), "unix:/a/b");
  for (const char* text : {"", "80", "a:", "a:b", ":80", "a:99999", "unix:", "::1:80", "a:8 0"})
    EXPECT_FALSE(parse_endpoint(text)) << text;
  EXPECT_TRUE(is_loopback(*parse_endpoint("127.3.2.1:1")));
  EXPECT_TRUE(is_loopback(*parse_endpoint("[::1]:1")));
  EXPECT_TRUE(is_loopback(*parse_endpoint("localhost:1")));
  EXPECT_FALSE(is_loopback(*parse_endpoint("0.0.0.0:1")));
  EXPECT_FALSE(is_loopback(*parse_endpoint("example.org:1")));
}

}  // namespace
}  // namespace slipway::io
