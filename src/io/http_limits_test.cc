// Peers that are slow, silent, gone or too many; and the end of a server.
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "io/event.h"
#include "io/http_test_support.h"

namespace slipway::io {
namespace {

using namespace test;
using base::ErrorCode;
using std::chrono::milliseconds;

base::Deadline soon() {
  return base::Deadline::after(kPatience);
}

Task<> hello(Exchange& x) {
  (void)co_await x.respond(200, {}, "hello");
}

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// Writes 64 MiB in pieces and counts what write() has accepted.
struct Flood {
  std::atomic<std::size_t> accepted = 0;
  std::atomic<int> failed_with = 0;
  Task<> operator()(Exchange& x) {
    const std::string piece(64 * 1024, 'x');
    (void)x.start_stream(200, {});
    for (int i = 0; i < 1024; ++i) {
      const auto written = co_await x.write(piece);
      if (!written) {
        failed_with = static_cast<int>(written.error().code());
        co_return;
      }
      accepted += piece.size();
    }
    (void)co_await x.finish();
  }
};

TEST(HttpLimitsTest, ASlowReaderHoldsTheWriterBackAndGetsEverything) {
  Flood flood;
  TestServer server([&](Exchange& x) { return flood(x); });
  Peer peer(server.endpoint(), 4096);
  peer.send(kGet);
  // The writer stops by itself: what it handed over is bounded by the socket buffers and the high-water mark.
  std::size_t before = 1, now = 0;
  while (before != now) {
    before = now;
    std::this_thread::sleep_for(milliseconds(50));
    now = flood.accepted;
  }
  EXPECT_LT(now, 16u << 20);
  std::size_t got = 0;
  char buffer[256 * 1024];
  while (true) {
    const ssize_t n = ::recv(peer.fd(), buffer, sizeof(buffer), 0);
    ASSERT_GT(n, 0);
    got += static_cast<std::size_t>(n);
    if (std::string_view(buffer, static_cast<std::size_t>(n)).ends_with("0\r\n\r\n")) break;
  }
  EXPECT_GT(got, 64u << 20);
  EXPECT_EQ(flood.accepted, 64u << 20);
}

TEST(HttpLimitsTest, AReaderThatTakesNothingIsCut) {
  Flood flood;
  TestServer server([&](Exchange& x) { return flood(x); }, {.stall_timeout = milliseconds(100)});
  Peer peer(server.endpoint(), 4096);
  peer.send(kGet);
  EXPECT_TRUE(server.eventually([&] { return flood.failed_with != 0; }));
  EXPECT_EQ(flood.failed_with, static_cast<int>(ErrorCode::client_gone));
}

TEST(HttpLimitsTest, AHeadInSlowMotionIsCut) {
  TestServer server(hello, {.head_timeout = milliseconds(100)});
  Peer peer(server.endpoint());
  peer.send("GET / HTTP/1.1\r\nHost");
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_EQ(server.stats().requests, 0u);
}

TEST(HttpLimitsTest, AnIdleConnectionIsClosed) {
  TestServer server(hello, {.idle_timeout = milliseconds(100)});
  Peer peer(server.endpoint());
  peer.send(kGet);
  EXPECT_TRUE(peer.read_to_end().ends_with("hello"));
}

TEST(HttpLimitsTest, ABodyThatStopsEndsItsConnection) {
  const auto handler = [](Exchange& x) -> Task<> { (void)co_await x.body(); };
  TestServer server(handler, {.body_timeout = milliseconds(100)});
  Peer peer(server.endpoint());
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  peer.read_to_end();
  EXPECT_TRUE(peer.closed());
  EXPECT_TRUE(server.eventually([&] { return server.server().stats().open == 0; }));
}

struct Gone {
  Event event;
  std::atomic<bool> called = false, seen = false;
  Task<> operator()(Exchange& x) {
    EXPECT_FALSE(x.client_gone());
    x.on_client_gone([this] {
      called = true;
      event.notify();
    });
    co_await event.wait();
    seen = x.client_gone();
  }
};

TEST(HttpLimitsTest, AClientThatLeavesIsNoticedWhileTheAnswerIsMade) {
  for (const Endpoint& where :
       {Endpoint{"", "127.0.0.1", 0}, Endpoint{"/tmp/slipway-gone-" + std::to_string(::getpid()), "", 0}}) {
    Gone gone;
    TestServer server([&](Exchange& x) { return gone(x); }, {}, where);
    Peer peer(server.endpoint());
    peer.send(kGet);
    EXPECT_TRUE(server.eventually([&] { return server.server().stats().requests == 1; }));
    EXPECT_FALSE(gone.called);
    peer.close();
    EXPECT_TRUE(server.eventually([&] { return server.server().stats().open == 0; }));
    EXPECT_TRUE(gone.called);
    EXPECT_TRUE(gone.seen);
  }
}

TEST(HttpLimitsTest, TryWriteSendsOnlyWhenNothingWaits) {
  std::vector<bool> sent;
  const auto handler = [](Exchange& x, std::vector<bool>& results) -> Task<> {
    results.push_back(x.try_write("too early"));
    (void)x.start_stream(200, {});
    results.push_back(x.try_write(": ping\n\n"));
    (void)co_await x.finish();
    results.push_back(x.try_write("too late"));
  };
  TestServer server([&](Exchange& x) { return handler(x, sent); });
  EXPECT_EQ(http_call(server.endpoint(), {}, soon())->body, ": ping\n\n");
  EXPECT_EQ(sent, (std::vector<bool>{false, true, false}));
}

TEST(HttpLimitsTest, TooManyConnectionsAreTurnedAway) {
  TestServer server(hello, {.max_connections = 2});
  Peer first(server.endpoint()), second(server.endpoint());
  first.send(kGet);
  second.send(kGet);
  EXPECT_TRUE(first.read_until("hello").contains("200 OK"));
  EXPECT_TRUE(second.read_until("hello").contains("200 OK"));
  Peer third(server.endpoint());
  EXPECT_TRUE(third.read_to_end().starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(server.stats().refused, 1u);
  first.close();
  EXPECT_TRUE(server.eventually([&] { return server.server().stats().open == 1; }));
  EXPECT_EQ(http_call(server.endpoint(), {}, soon())->body, "hello");
}

TEST(HttpLimitsTest, OneAddressMayNotTakeAllConnections) {
  TestServer server(hello, {.max_connections_per_peer = 1});
  Peer first(server.endpoint());
  first.send(kGet);
  first.read_until("hello");
  Peer second(server.endpoint());
  EXPECT_TRUE(second.read_to_end().starts_with("HTTP/1.1 503 "));
}

// Without descriptors the server waits and uses no processor; with one again, it serves.
TEST(HttpLimitsTest, RunningOutOfDescriptorsNeitherSpinsNorEnds) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "the sanitizer's own checks need descriptors";
#endif
  TestServer server(hello);
  Peer peer(server.endpoint());
  peer.send(kGet);
  peer.read_until("hello");
  rlimit old{};
  ::getrlimit(RLIMIT_NOFILE, &old);
  Peer waiting(server.endpoint());
  EXPECT_TRUE(server.eventually([&] { return server.server().stats().open == 2; }));
  std::optional<Peer> blocked;
  on_loop(server.loop(), [&] {
    blocked.emplace(server.endpoint());  // connected, and not accepted while this runs
    const rlimit none{3, old.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  });
  blocked->send(kGet);
  const auto cpu = [] {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  };
  const auto before = on_loop(server.loop(), cpu);
  std::this_thread::sleep_for(milliseconds(400));
  const auto used = on_loop(server.loop(), cpu) - before;
  EXPECT_LT(used, milliseconds(100));
  EXPECT_EQ(server.stats().accepted, 2u);
  ::setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_TRUE(blocked->read_until("hello").contains("200 OK"));
}

struct Held {
  Event release;
  Task<> operator()(Exchange& x) {
    co_await release.wait();
    (void)co_await x.respond(200, {}, "finished");
  }
};

TEST(HttpLimitsTest, DrainClosesIdleConnectionsAndWaitsForBusyOnes) {
  Held held;
  const auto handler = [](Exchange& x, Held& h) -> Task<> {
    if (x.head().path() == "/hold") co_return co_await h(x);
    co_return co_await hello(x);
  };
  TestServer server([&](Exchange& x) { return handler(x, held); });
  Peer idle(server.endpoint()), busy(server.endpoint());
  idle.send(kGet);
  idle.read_until("hello");
  busy.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(server.eventually([&] { return server.server().stats().requests == 2; }));
  std::atomic<int> cut = -1;
  const auto drain = [](HttpServer& s, std::atomic<int>& result) -> Task<> {
    const std::size_t left = co_await s.drain(soon());
    result = static_cast<int>(left);
  };
  server.loop().spawn(drain(server.server(), cut));
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_EQ(cut, -1);
  on_loop(server.loop(), [&] { held.release.notify(); });
  const std::string answer = busy.read_to_end();
  EXPECT_TRUE(answer.contains("Connection: close\r\n"));
  EXPECT_TRUE(answer.ends_with("finished"));
  EXPECT_TRUE(server.eventually([&] { return cut == 0; }));
}

TEST(HttpLimitsTest, DrainCutsWhatOutlastsItsDeadline) {
  Gone gone;
  TestServer server([&](Exchange& x) { return gone(x); });
  Peer peer(server.endpoint());
  peer.send(kGet);
  EXPECT_TRUE(server.eventually([&] { return server.server().stats().requests == 1; }));
  std::size_t cut = 0;
  const auto drain = [](HttpServer& s, std::size_t& result) -> Task<> {
    result = co_await s.drain(base::Deadline::after(milliseconds(50)));
  };
  run_task(server.loop(), [&] { return drain(server.server(), cut); });
  EXPECT_EQ(cut, 1u);
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_TRUE(server.eventually([&] { return gone.called && server.server().stats().open == 0; }));
}

// A relay whose upstream never answers: cancelling the send frees both sides.
TEST(HttpLimitsTest, ASendIsCancelledFromOutside) {
  Held held;
  TestServer server([&](Exchange& x) { return held(x); });
  Loop loop("client");
  std::optional<HttpClient> client(std::in_place, loop);
  loop.start();
  SendCancel cancel;
  std::atomic<int> code = 0;
  const auto send = [](HttpClient& c, Endpoint where, SendCancel& by, std::atomic<int>& result) -> Task<> {
    HttpRequest request;
    request.cancel = &by;
    const auto answer = co_await c.send(where, request, soon());
    result = answer ? -1 : static_cast<int>(answer.error().code());
  };
  loop.spawn(send(*client, server.endpoint(), cancel, code));
  EXPECT_TRUE(server.eventually([&] { return server.server().stats().requests == 1; }));
  on_loop(loop, [&] { cancel.cancel(); });
  EXPECT_TRUE(server.eventually([&] { return code != 0; }));
  EXPECT_EQ(code, static_cast<int>(ErrorCode::client_gone));
  on_loop(server.loop(), [&] { held.release.notify(); });
  on_loop(loop, [&] { client.reset(); });
}

TEST(HttpLimitsTest, AnAnswerThatDoesNotComeInTimeIsATimeout) {
  Held held;
  TestServer server([&](Exchange& x) { return held(x); });
  const auto answer = http_call(server.endpoint(), {}, base::Deadline::after(milliseconds(100)));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::timeout);
  const std::atomic<bool> interrupted = true;
  EXPECT_EQ(http_call(server.endpoint(), {}, soon(), {}, &interrupted).error().code(),
            ErrorCode::interrupted);
}

TEST(HttpLimitsTest, ALoopMayEndWhileEverythingWaits) {
  Held held;
  std::optional<Loop> loop(std::in_place, "ending");
  HttpServer server(*loop, {}, [&](Exchange& x) { return held(x); });
  ASSERT_TRUE(server.listen({"", "127.0.0.1", 0}));
  HttpClient client(*loop);
  const auto send = [](HttpClient& c, Endpoint where) -> Task<> { (void)co_await c.send(where, {}, soon()); };
  loop->spawn(send(client, server.local()));
  loop->start();
  while (on_loop(*loop, [&] { return server.stats().requests; }) == 0) std::this_thread::yield();
  loop.reset();
}

}  // namespace
}  // namespace slipway::io
