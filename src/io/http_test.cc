#include "io/http.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "io/http_test_support.h"

namespace slipway::io {
namespace {

using namespace test;
using base::ErrorCode;

// Answers the body it got, with the target in a header.
Task<> echo(Exchange& x) {
  const base::Result<std::string_view> body = co_await x.body();
  if (!body) co_return;
  const std::string target(x.head().target);
  (void)co_await x.respond(200, {{"X-Target", target}, {"Content-Type", "text/plain"}}, *body);
}

// Streams the body in pieces of 3 bytes.
Task<> drip(Exchange& x) {
  const base::Result<std::string_view> body = co_await x.body();
  if (!body) co_return;
  (void)x.start_stream(200, {{"Content-Type", "text/event-stream"}});
  for (std::size_t at = 0; at < body->size(); at += 3) (void)co_await x.write(body->substr(at, 3));
  (void)co_await x.finish();
}

Task<> echo_or_drip(Exchange& x) {
  if (x.head().path() == "/stream") co_return co_await drip(x);
  co_return co_await echo(x);
}

std::string unix_path(const char* name) {
  return (std::filesystem::temp_directory_path() /
          (std::string("slipway-") + name + std::to_string(::getpid())))
      .native();
}

base::Deadline soon() {
  return base::Deadline::after(kPatience);
}

TEST(HttpServerTest, KeepAliveAnswersOneAfterTheOther) {
  TestServer server(echo);
  Peer peer(server.endpoint());
  for (int i = 0; i < 3; ++i) {
    peer.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    const std::string answer = peer.read_until("hello");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_TRUE(answer.contains("X-Target: /a\r\n"));
    EXPECT_TRUE(answer.contains("Content-Length: 5\r\n"));
    EXPECT_TRUE(answer.contains("\r\nDate: "));
    EXPECT_FALSE(answer.contains("Connection: close"));
  }
  EXPECT_EQ(server.stats().accepted, 1u);
  EXPECT_EQ(server.stats().requests, 3u);
}

TEST(HttpServerTest, RequestsInSingleBytesAreUnderstood) {
  TestServer server(echo);
  Peer peer(server.endpoint());
  for (const char c : std::string_view("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                       "chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"))
    ASSERT_TRUE(peer.send({&c, 1}));
  EXPECT_TRUE(peer.read_until("hello").contains("Content-Length: 5"));
}

TEST(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server(echo);
  Peer peer(server.endpoint());
  std::string all;
  for (int i = 0; i < 20; ++i)
    all += "POST /" + std::to_string(i) +
           " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n";
  all += "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  peer.send(all);
  const std::string answers = peer.read_to_end();
  std::size_t at = 0;
  for (int i = 0; i < 20; ++i) {
    at = answers.find("X-Target: /" + std::to_string(i) + "\r\n", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_TRUE(answers.find("X-Target: /last", at) != std::string::npos);
}

TEST(HttpServerTest, GarbageGetsA400WithAReasonAndTheConnectionCloses) {
  TestServer server(echo);
  for (const std::string_view text :
       {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\x16\x03\x01", "GET / HTTP/1.1\nHost: a\n\n"}) {
    Peer peer(server.endpoint());
    peer.send(text);
    const std::string answer = peer.read_to_end();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
    EXPECT_TRUE(answer.contains("Connection: close\r\n"));
    EXPECT_TRUE(answer.contains("\"type\":\"invalid_request_error\"")) << answer;
    EXPECT_TRUE(answer.contains("\"code\":\"E2001\"")) << answer;
    EXPECT_TRUE(answer.contains("\"next\":")) << answer;
  }
  EXPECT_EQ(server.stats().bad_requests, 3u);
  EXPECT_EQ(server.stats().requests, 0u);
}

TEST(HttpServerTest, AHeadBeyondTheLimitGetsA431) {
  TestServer server(echo);
  Peer peer(server.endpoint());
  peer.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(40'000, 'x'));
  EXPECT_TRUE(peer.read_to_end().starts_with("HTTP/1.1 431 "));
}

TEST(HttpServerTest, BodiesBeyondTheLimitGetA413HoweverTheyAreFramed) {
  TestServer server(echo, {.max_body = 1000});
  Peer counted(server.endpoint());
  counted.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_TRUE(counted.read_to_end().starts_with("HTTP/1.1 413 "));
  Peer chunked(server.endpoint());
  chunked.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string piece = "fa\r\n" + std::string(250, 'x') + "\r\n";
  for (int i = 0; i < 5; ++i) chunked.send(piece);
  EXPECT_TRUE(chunked.read_to_end().starts_with("HTTP/1.1 413 "));
}

TEST(HttpServerTest, BadChunksGetA400) {
  TestServer server(echo);
  Peer peer(server.endpoint());
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n");
  EXPECT_TRUE(peer.read_to_end().starts_with("HTTP/1.1 400 "));
}

TEST(HttpServerTest, LargeBodiesArriveWhole) {
  TestServer server(echo);
  std::string body(3'000'000, 'a');
  for (std::size_t i = 0; i < body.size(); i += 1000) body[i] = static_cast<char>('a' + i / 1000 % 26);
  const auto answer = http_call(server.endpoint(), post("/", body), soon());
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_TRUE(answer->body == body);
}

TEST(HttpServerTest, ExpectContinueIsAnsweredBeforeTheBody) {
  TestServer server(echo);
  Peer peer(server.endpoint());
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(peer.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("ok");
  EXPECT_TRUE(peer.read_until("\r\n\r\nok").starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST(HttpServerTest, HeadHasALengthAndNoBody) {
  const auto handler = [](Exchange& x) -> Task<> { (void)co_await x.respond(200, {}, "four"); };
  TestServer server(handler);
  Peer peer(server.endpoint());
  peer.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = peer.read_to_end();
  EXPECT_TRUE(answer.contains("Content-Length: 4\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST(HttpServerTest, HttpTenClosesAndGetsNoChunks) {
  TestServer server(echo_or_drip);
  Peer peer(server.endpoint());
  peer.send("POST /stream HTTP/1.0\r\nContent-Length: 7\r\n\r\nsevenup");
  const std::string answer = peer.read_to_end();
  EXPECT_TRUE(answer.ends_with("\r\n\r\nsevenup")) << answer;
  EXPECT_FALSE(answer.contains("chunked"));
}

TEST(HttpServerTest, AStreamIsChunkedAndTheConnectionGoesOn) {
  TestServer server(echo_or_drip);
  Peer peer(server.endpoint());
  for (int i = 0; i < 2; ++i) {
    peer.send("POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nsevenup");
    const std::string answer = peer.read_until("0\r\n\r\n");
    EXPECT_TRUE(answer.ends_with("\r\n\r\n3\r\nsev\r\n3\r\nenu\r\n1\r\np\r\n0\r\n\r\n")) << answer;
  }
}

TEST(HttpServerTest, AnUnfinishedStreamHasNoCleanEnd) {
  const auto handler = [](Exchange& x) -> Task<> {
    (void)x.start_stream(200, {});
    (void)co_await x.write("part");
  };
  TestServer server(handler);
  Peer peer(server.endpoint());
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(peer.read_to_end().ends_with("\r\n\r\n4\r\npart\r\n"));
  const auto answer = http_call(server.endpoint(), {}, soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::io_failed);
}

TEST(HttpServerTest, AHandlerWithoutAnAnswerGetsA500) {
  const auto handler = [](Exchange&) -> Task<> { co_return; };
  TestServer server(handler);
  EXPECT_EQ(http_call(server.endpoint(), {}, soon())->status, 500);
}

TEST(HttpServerTest, HeaderValuesWithLineBreaksAreNotSent) {
  const auto handler = [](Exchange& x) -> Task<> {
    const auto answered = co_await x.respond(200, {{"X-A", "b\r\nSet-Cookie: c"}}, "");
    EXPECT_FALSE(answered);
    (void)co_await x.respond(200, {}, "safe");
  };
  TestServer server(handler);
  EXPECT_EQ(http_call(server.endpoint(), {}, soon())->body, "safe");
}

TEST(HttpServerTest, UnreadBodiesAreNotTakenForTheNextRequest) {
  const auto handler = [](Exchange& x) -> Task<> { (void)co_await x.respond(200, {}, "done"); };
  TestServer server(handler);
  Peer small(server.endpoint());
  small.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n");
  EXPECT_FALSE(small.read_until("done").contains("close"));
  Peer late(server.endpoint());
  late.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  EXPECT_TRUE(late.read_until("done").contains("Connection: close\r\n"));
  late.send(std::string(100'000, 'x'));
  EXPECT_EQ(late.read_to_end(), "");
  EXPECT_EQ(server.stats().requests, 2u);
}

TEST(HttpServerTest, UnixSocketsAreForTheirOwnerAndKnowThePeer) {
  const Endpoint where{unix_path("http"), "", 0};
  const auto handler = [](Exchange& x) -> Task<> {
    EXPECT_EQ(x.peer()->uid, ::getuid());
    EXPECT_EQ(x.peer()->pid, ::getpid());
    EXPECT_EQ(x.peer_address(), "");
    (void)co_await x.respond(200, {}, "local");
  };
  {
    TestServer server(handler, {}, where);
    struct stat status{};
    ASSERT_EQ(::stat(where.path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    EXPECT_EQ(http_call(where, {}, soon())->body, "local");
    Loop loop("second");
    HttpServer second(loop, {}, handler);
    EXPECT_EQ(second.listen(where).error().code(), ErrorCode::port_taken);
  }
  EXPECT_FALSE(std::filesystem::exists(where.path));
}

TEST(HttpServerTest, ADeadProcessesSocketIsReplaced) {
  const Endpoint where{unix_path("dead"), "", 0};
  {
    const base::Result<Fd> left = listen_on(where, false);
  }
  ASSERT_TRUE(std::filesystem::exists(where.path));
  TestServer server(echo, {}, where);
  EXPECT_EQ(http_call(where, post("/", "x"), soon())->body, "x");
}

TEST(HttpServerTest, ATakenPortNamesItsHolder) {
  TestServer server(echo);
  Loop loop("second");
  HttpServer second(loop, {}, echo);
  const auto listening = second.listen(server.endpoint());
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code(), ErrorCode::port_taken);
  EXPECT_TRUE(listening.error().message().contains("(pid " + std::to_string(::getpid()) + ")"))
      << listening.error().message();
}

TEST(HttpServerTest, AnInheritedSocketIsServed) {
  base::Result<Fd> fd = listen_on({"", "127.0.0.1", 0}, false);
  ASSERT_TRUE(fd);
  Loop loop("inherited");
  HttpServer server(loop, {}, echo);
  ASSERT_TRUE(server.listen_fd(fd->release()));
  const Endpoint where = server.local();
  loop.start();
  EXPECT_EQ(http_call(where, post("/", "x"), soon())->body, "x");
  EXPECT_FALSE(on_loop(loop, [&] { return server.listen_fd(0); }));
}

}  // namespace
}  // namespace slipway::io
