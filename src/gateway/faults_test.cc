// The relay when something breaks: each fault and what the client, the replicas and the counters see of it.
#include "gateway/testing.h"

namespace slipway::gateway::testing {
namespace {

using base::ErrorCode;

const std::string kStream = R"(,"stream":true)";

domain::Endpoint nobody() {
  // A port that was free a moment ago and on which nobody listens.
  FakeReplica gone(answer_ok);
  return gone.endpoint();
}

TEST(Fault, AReplicaDeadBeforeTheFirstByteIsReplacedByAnother) {
  FakeReplica dies(die), good(answer_ok);
  TestGateway g({model_of("m", {dies.endpoint(), good.endpoint()})});
  EXPECT_EQ(g.chat().status, 200);
  EXPECT_EQ(dies.seen().size(), 1u);
  EXPECT_EQ(good.seen().size(), 1u);
  EXPECT_EQ(dies.seen()[0].body, good.seen()[0].body);
  EXPECT_NE(g.metrics().find("slipway_gateway_retries_total{model=\"m\"} 1"), std::string::npos);
  EXPECT_EQ(g.gateway().in_flight(0), 0u);
  EXPECT_EQ(g.log_records().at(0)["attempts"], 2);
}

TEST(Fault, AReplicaThatRefusesConnectionsIsReplacedByAnother) {
  FakeReplica good(stream_two);
  TestGateway g({model_of("m", {nobody(), good.endpoint()})});
  EXPECT_TRUE(g.chat(kStream).body.ends_with(kDone));
}

TEST(Fault, WhenAllReplicasDieTheClientHearsWhichAndNoneIsAskedTwice) {
  FakeReplica a(die), b(die);
  TestGateway g({model_of("m", {a.endpoint(), b.endpoint()})});
  const Answer answer = g.chat();
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.symbol(), "replica_lost");
  EXPECT_NE(answer.error()["message"].get<std::string>().find("m-1"), std::string::npos);
  EXPECT_EQ(a.seen().size(), 1u);
  EXPECT_EQ(b.seen().size(), 1u);
}

TEST(Fault, AttemptsAreBounded) {
  FakeReplica a(die), b(die), c(die);
  TestGateway g({model_of("m", {a.endpoint(), b.endpoint(), c.endpoint()})}, {.max_attempts = 2});
  EXPECT_EQ(g.chat().status, 502);
  EXPECT_EQ(a.seen().size() + b.seen().size() + c.seen().size(), 2u);
}

io::Task<> stream_then_die(io::Exchange& x) {
  static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream"}}));
  static_cast<void>(co_await x.write(chunk_event("he") + "data: {\"unfinished"));
  x.abort();
}

TEST(Fault, AReplicaThatDiesInAStreamLeavesAnErrorEventAndNoDone) {
  FakeReplica dies(stream_then_die), other(stream_two);
  TestGateway g({model_of("m", {dies.endpoint(), other.endpoint()})});
  const Answer a = g.chat(kStream);
  EXPECT_EQ(a.status, 200);
  EXPECT_TRUE(a.body.starts_with(chunk_event("he") + "event: error\ndata: {\"error\":")) << a.body;
  EXPECT_NE(a.body.find("\"symbol\":\"replica_lost\""), std::string::npos);
  EXPECT_EQ(a.body.find("[DONE]"), std::string::npos);
  EXPECT_EQ(a.body.find("unfinished"), std::string::npos);
  EXPECT_TRUE(other.seen().empty());  // never retried after the first byte
  const json record = g.log_records().at(0);
  EXPECT_EQ(record["outcome"], "failed");
  EXPECT_EQ(record["code"], "E2016");
}

io::Task<> stream_without_done(io::Exchange& x) {
  static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream"}}));
  static_cast<void>(co_await x.write(chunk_event("he")));
  static_cast<void>(co_await x.finish());
}

TEST(Fault, ACleanEndWithoutDoneIsNoEnd) {
  FakeReplica replica(stream_without_done);
  TestGateway g({model_of("m", {replica.endpoint()})});
  const Answer a = g.chat(kStream);
  EXPECT_NE(a.body.find("event: error"), std::string::npos);
  EXPECT_EQ(a.body.find("[DONE]"), std::string::npos);
}

io::Task<> stream_error(io::Exchange& x) {
  static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream"}}));
  static_cast<void>(co_await x.write(chunk_event("he") +
                                     "event: error\ndata: {\"error\":{\"message\":\"out of cells\"}}\n\n"));
  static_cast<void>(co_await x.finish());
}

TEST(Fault, AReplicasOwnErrorEventIsTheEnd) {
  FakeReplica replica(stream_error);
  TestGateway g({model_of("m", {replica.endpoint()})});
  const Answer a = g.chat(kStream);
  EXPECT_TRUE(a.body.ends_with("{\"error\":{\"message\":\"out of cells\"}}\n\n"));
  EXPECT_EQ(g.log_records().at(0)["outcome"], "failed");
}

struct Garbage {
  const char* name;
  std::string bytes;
  bool stream;
};

TEST(Fault, GarbageFromAReplicaIsACodedError) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: ";
  const Garbage rows[] = {
      {"not HTTP", "SSH-2.0-x\r\n", false},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", false},
      {"JSON cut by its length", head + "application/json\r\nContent-Length: 8\r\n\r\n{\"a\":[1,", false},
      {"another type", head + "text/html\r\nContent-Length: 6\r\n\r\n<html>", false},
      {"a list", head + "application/json\r\nContent-Length: 2\r\n\r\n[]", false},
      {"an error without JSON",
       "HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\noops", false},
      {"a stream that is none", head + "application/json\r\nContent-Length: 2\r\n\r\n{}", true},
  };
  for (const Garbage& row : rows) {
    RawServer replica(row.bytes);
    TestGateway g({model_of("m", {replica.endpoint()})});
    const Answer a = g.chat(row.stream ? kStream : "");
    EXPECT_EQ(a.status, 502) << row.name << " " << a.body;
    EXPECT_EQ(a.symbol(), "upstream_garbage") << row.name;
  }
}

TEST(Fault, AnAnswerThatIsTruncatedIsAnError) {
  RawServer replica(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a\":1");
  TestGateway g({model_of("m", {replica.endpoint()})});
  const Answer a = g.chat();
  EXPECT_EQ(a.status, 502);
  EXPECT_EQ(a.symbol(), "replica_lost");
}

TEST(Fault, GarbageInsideAStreamEndsItWithAnErrorEvent) {
  for (const std::string& bad :
       {std::string("7\r\n{broken\r\n"), std::string("10\r\ndata: <html>\n\n\r\n"), std::string("zz\r\n")}) {
    RawServer replica(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + bad);
    TestGateway g({model_of("m", {replica.endpoint()})});
    const Answer a = g.chat(kStream);
    EXPECT_NE(a.body.find("event: error"), std::string::npos) << bad << " " << a.body;
    EXPECT_EQ(a.body.find("html"), std::string::npos);
  }
}

TEST(Fault, AnEndlessAnswerIsCut) {
  RawServer replica(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"a\":\"" +
      std::string(4990, 'x') + "\"}");
  TestGateway g({model_of("m", {replica.endpoint()})}, {.max_answer_bytes = 1000});
  EXPECT_EQ(g.chat().symbol(), "upstream_garbage");
}

// A replica that takes the request and says nothing until it is cancelled.
struct Hanging {
  explicit Hanging(bool says_head = false) : with_head(says_head) {}
  Signal entered, cancelled;
  const bool with_head;

  FakeReplica::Behaviour behaviour() {
    return [this](io::Exchange& x) { return hang(*this, x); };
  }
  static io::Task<> hang(Hanging& self, io::Exchange& x) {
    io::Event gone;
    x.on_client_gone([&] {
      self.cancelled.set();
      gone.notify();
    });
    if (self.with_head) {
      static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream"}}));
      static_cast<void>(co_await x.write(chunk_event("he")));
    }
    self.entered.set();
    if (!x.client_gone()) co_await gone.wait();
    self.cancelled.set();
  }
};

TEST(Fault, AReplicaThatHangsRunsIntoTheDeadline) {
  Hanging hanging;
  FakeReplica replica(hanging.behaviour());
  TestGateway g({model_of("m", {replica.endpoint()})});
  const Answer a = g.chat({}, {{"x-slipway-timeout-ms", "30"}});
  EXPECT_EQ(a.status, 504);
  EXPECT_EQ(a.symbol(), "deadline");
  EXPECT_TRUE(hanging.cancelled.wait());
}

TEST(Fault, AStreamThatHangsRunsIntoTheDeadlineAndEndsWithAnErrorEvent) {
  Hanging hanging(true);
  FakeReplica replica(hanging.behaviour());
  TestGateway g({model_of("m", {replica.endpoint()})});
  const Answer a = g.chat(kStream, {{"x-slipway-timeout-ms", "100"}});
  EXPECT_TRUE(a.body.starts_with(chunk_event("he")));
  EXPECT_NE(a.body.find("\"symbol\":\"deadline\""), std::string::npos) << a.body;
  EXPECT_EQ(a.body.find("[DONE]"), std::string::npos);
  EXPECT_TRUE(hanging.cancelled.wait());
}

TEST(Fault, AClientThatLeavesAStreamCancelsTheReplica) {
  Hanging hanging(true);
  FakeReplica replica(hanging.behaviour());
  TestGateway g({model_of("m", {replica.endpoint()})});
  g.chat(kStream, {}, [](std::string_view) { return false; });
  EXPECT_TRUE(hanging.cancelled.wait());
  while (g.gateway().in_flight() != 0) std::this_thread::yield();
  const json record = g.log_records().at(0);
  EXPECT_EQ(record["outcome"], "cancelled");
  EXPECT_EQ(record["code"], "E2023");
}

// A client over a plain socket, for what a polite client does not do.
class RawClient {
 public:
  explicit RawClient(const domain::Endpoint& to) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~RawClient() { leave(); }
  void send(std::string_view bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void leave() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // Until the server closes.
  std::string read_all() {
    std::string all;
    char buffer[4096];
    for (ssize_t n; (n = ::recv(fd_, buffer, sizeof(buffer), 0)) > 0;)
      all.append(buffer, static_cast<std::size_t>(n));
    return all;
  }

 private:
  int fd_;
};

std::string chat_bytes(std::string_view more) {
  const std::string body =
      R"({"model":"m","messages":[{"role":"user","content":"x"}])" + std::string(more) + "}";
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
         "application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(Fault, AClientThatLeavesBeforeAnyAnswerCancelsTheReplica) {
  for (const char* stream : {"", R"(,"stream":true)"}) {
    Hanging hanging;
    FakeReplica replica(hanging.behaviour());
    TestGateway g({model_of("m", {replica.endpoint()})});
    RawClient client(g.gateway().local());
    client.send(chat_bytes(stream));
    ASSERT_TRUE(hanging.entered.wait());
    client.leave();
    EXPECT_TRUE(hanging.cancelled.wait());
  }
}

io::Task<> flood(Signal& cut, io::Exchange& x) {
  static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream"}}));
  const std::string event = chunk_event(std::string(4000, 'x'));
  while (true) {
    const auto written = co_await x.write(event);
    if (!written) break;
  }
  cut.set();
}

TEST(Fault, AClientThatDoesNotReadHoldsTheReplicaBackAndIsCut) {
  Signal cut;
  FakeReplica replica([&](io::Exchange& x) { return flood(cut, x); });
  TestGateway g({model_of("m", {replica.endpoint()})}, {.stall_timeout = 50ms});
  RawClient client(g.gateway().local());
  client.send(chat_bytes(kStream));
  EXPECT_TRUE(cut.wait());
}

io::Task<> gated_stream(Gate& gate, io::Exchange& x) {
  static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream"}}));
  static_cast<void>(co_await x.write(chunk_event("he")));
  co_await gate.passed();
  static_cast<void>(co_await x.write(chunk_event("llo") + kDone));
  static_cast<void>(co_await x.finish());
}

TEST(Fault, ASilentStreamIsKeptAliveByComments) {
  Gate gate;
  FakeReplica replica([&](io::Exchange& x) { return gated_stream(gate, x); });
  TestGateway g({model_of("m", {replica.endpoint()})}, {.keep_alive = 5ms});
  std::string all;
  const Answer a = g.chat(kStream, {}, [&](std::string_view data) {
    all += data;
    if (all.find(": keep-alive\n\n") != std::string::npos) gate.open();
    return true;
  });
  EXPECT_TRUE(a.body.starts_with(chunk_event("he") + ": keep-alive\n\n")) << a.body;
  EXPECT_TRUE(a.body.ends_with(chunk_event("llo") + kDone));
}

io::Task<> gated_head(Gate& gate, io::Exchange& x) {
  co_await gate.passed();
  co_await stream_two(x);
}

TEST(Fault, AStreamThatQueuesGetsItsHeadAndCommentsMeanwhile) {
  Gate gate;
  FakeReplica replica([&](io::Exchange& x) { return gated_head(gate, x); });
  TestGateway g({model_of("m", {replica.endpoint()})}, {.head_hold = 5ms, .keep_alive = 5ms});
  std::string all;
  const Answer a = g.chat(kStream, {}, [&](std::string_view data) {
    all += data;
    if (all.find(": keep-alive\n\n") != std::string::npos) gate.open();
    return true;
  });
  EXPECT_EQ(a.status, 200);
  EXPECT_TRUE(a.body.starts_with(":")) << a.body;
  EXPECT_TRUE(a.body.ends_with(chunk_event("he") + chunk_event("llo") + kDone));
}

io::Task<> gated_refusal(Gate& gate, io::Exchange& x) {
  co_await gate.passed();
  static_cast<void>(co_await x.respond(400, {{"content-type", "application/json"}},
                                       "{\"error\":{\"message\":\"too\\nlong\",\"code\":\"E2007\"}}"));
}

TEST(Fault, ARefusalAfterTheHeadWasHeldTooLongIsAnErrorEvent) {
  Gate gate;
  FakeReplica replica([&](io::Exchange& x) { return gated_refusal(gate, x); });
  TestGateway g({model_of("m", {replica.endpoint()})}, {.head_hold = 5ms});
  const Answer a = g.chat(kStream, {}, [&](std::string_view) {
    gate.open();
    return true;
  });
  EXPECT_EQ(a.status, 200);
  EXPECT_NE(a.body.find("event: error\ndata: {\"error\":{\"message\":\"too\\nlong\""), std::string::npos)
      << a.body;
}

io::Task<> queue_full(io::Exchange& x) {
  static_cast<void>(co_await x.respond(
      429, {{"content-type", "application/json"}, {"retry-after", "3"}},
      R"({"error":{"message":"the queue is full","code":"E2014","symbol":"queue_full","retryable":true}})"));
}

TEST(Fault, AFullQueueSendsTheRequestToAnotherReplica) {
  FakeReplica full(queue_full), good(answer_ok);
  TestGateway g({model_of("m", {full.endpoint(), good.endpoint()})});
  EXPECT_EQ(g.chat().status, 200);
  EXPECT_EQ(full.seen().size(), 1u);
}

TEST(Fault, WhenAllQueuesAreFullTheClientHearsItFromTheReplica) {
  FakeReplica a(queue_full), b(queue_full);
  TestGateway g({model_of("m", {a.endpoint(), b.endpoint()})});
  const Answer answer = g.chat();
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.symbol(), "queue_full");
  EXPECT_EQ(g.log_records().at(0)["code"], "E2014");
}

TEST(Fault, AmbiguousFramingIsRefusedAndTheConnectionCloses) {
  FakeReplica replica(answer_ok);
  TestGateway g({model_of("m", {replica.endpoint()})});
  for (const char* framing :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Content-Length : 5\r\n"}) {
    RawClient client(g.gateway().local());
    client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + std::string(framing) +
                "\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << framing << answer;
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << "a second answer to " << framing;
  }
  EXPECT_TRUE(replica.seen().empty());
}

TEST(Fault, StoppingTheGatewayCutsWhatRuns) {
  Hanging hanging;
  FakeReplica replica(hanging.behaviour());
  TestGateway g({model_of("m", {replica.endpoint()})});
  auto call = std::async(std::launch::async, [&] { return g.chat(); });
  ASSERT_TRUE(hanging.entered.wait());
  EXPECT_EQ(g.gateway().drain(base::Deadline::after(10ms)), 1u);
  g.gateway().stop();
  EXPECT_EQ(call.get().status, 0);
  EXPECT_TRUE(hanging.cancelled.wait());
}

}  // namespace
}  // namespace slipway::gateway::testing
