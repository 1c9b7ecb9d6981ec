// The relay when all goes well, and its choice of replicas.
#include "codec/openai_request.h"
#include "gateway/testing.h"

namespace slipway::gateway::testing {
namespace {

TEST(Relay, AChatIsSentAnewAndItsAnswerComesBack) {
  FakeReplica replica(answer_ok);
  TestGateway g({model_of("m", {replica.endpoint()})});
  const std::string body =
      R"({"messages":[{"role":"user","content":"x"}],"model":"owner/m","temperature":0.5})";
  const Answer a =
      g.call("POST", "/v1/chat/completions?x=1", body, {{"x-request-id", "r-1"}, {"x-evil", "1"}});
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.body, kAnswer);
  ASSERT_EQ(replica.seen().size(), 1u);
  FakeReplica::Seen seen = replica.seen()[0];
  EXPECT_EQ(seen.target, "/v1/chat/completions");
  json expected = json::parse(body);
  expected["model"] = "m";
  EXPECT_EQ(json::parse(seen.body), expected);
  std::map<std::string, std::string> lower;
  for (auto& [name, value] : seen.headers) {
    std::string key = name;
    std::ranges::transform(key, key.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    lower[key] = value;
  }
  EXPECT_EQ(lower["x-request-id"], "r-1");
  EXPECT_EQ(lower["traceparent"].size(), 55u);
  EXPECT_GT(std::stoll(lower["x-slipway-timeout-ms"]), 500'000);
  EXPECT_EQ(lower.count("x-evil"), 0u);
}

TEST(Relay, TheOtherCallsReachTheirPaths) {
  FakeReplica replica(answer_ok);
  TestGateway g({model_of("m", {replica.endpoint()})});
  EXPECT_EQ(g.call("POST", "/v1/completions", R"({"model":"m","prompt":"x"})").status, 200);
  EXPECT_EQ(g.call("POST", "/v1/embeddings", R"({"model":"m","input":"x"})").status, 200);
  EXPECT_EQ(g.call("POST", "/tokenize", R"({"content":"x"})").status, 200);
  EXPECT_EQ(g.call("POST", "/detokenize", R"({"tokens":[1]})").status, 200);
  std::vector<std::string> targets;
  for (const auto& seen : replica.seen()) targets.push_back(seen.target);
  EXPECT_EQ(targets,
            (std::vector<std::string>{"/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize"}));
}

TEST(Relay, ATraceIsContinued) {
  FakeReplica replica(answer_ok);
  TestGateway g({model_of("m", {replica.endpoint()})});
  g.chat({}, {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
  const FakeReplica::Seen seen = replica.seen().at(0);
  const std::string sent = seen.headers.at("traceparent");
  EXPECT_EQ(sent.substr(0, 36), "00-0af7651916cd43dd8448eb211c80319c-");
  EXPECT_NE(sent.substr(36, 16), "b7ad6b7169203331");
  EXPECT_EQ(g.log_records().at(0)["trace_id"], "0af7651916cd43dd8448eb211c80319c");
}

TEST(Relay, AStreamComesThroughWithoutTheUsageThatWasForced) {
  FakeReplica replica(stream_two);
  TestGateway g({model_of("m", {replica.endpoint()})});
  const Answer a = g.chat(R"(,"stream":true)");
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.events(), chunk_event("he") + chunk_event("llo") + kDone);
  EXPECT_EQ(json::parse(replica.seen().at(0).body)["stream_options"]["include_usage"], true);
  const json record = g.log_records().at(0);
  EXPECT_EQ(record["outcome"], "ok");
  EXPECT_EQ(record["stream"], true);
  EXPECT_EQ(record["tokens_in"], 5);
  EXPECT_EQ(record["tokens_out"], 2);
  EXPECT_TRUE(record["ttft_ms"].is_number());
  EXPECT_NE(g.metrics().find("gen_ai_server_time_to_first_token_seconds_count{model=\"m\"} 1"),
            std::string::npos);
}

TEST(Relay, TheUsageEventComesThroughWhenAskedFor) {
  FakeReplica replica(stream_two);
  TestGateway g({model_of("m", {replica.endpoint()})});
  const Answer a = g.chat(R"(,"stream":true,"stream_options":{"include_usage":true})");
  EXPECT_EQ(a.events(), chunk_event("he") + chunk_event("llo") + kUsageEvent + kDone);
}

io::Task<> drip(io::Exchange& x) {
  static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream"}}));
  const std::string all = chunk_event("he") + kUsageEvent + chunk_event("llo") + kDone;
  for (const char c : all) static_cast<void>(co_await x.write({&c, 1}));
  static_cast<void>(co_await x.finish());
}

TEST(Relay, AStreamThatDripsComesThroughInWholeEvents) {
  FakeReplica replica(drip);
  TestGateway g({model_of("m", {replica.endpoint()})});
  EXPECT_EQ(g.chat(R"(,"stream":true)").events(), chunk_event("he") + chunk_event("llo") + kDone);
}

io::Task<> refuse_422(io::Exchange& x) {
  static_cast<void>(co_await x.respond(
      422, {{"content-type", "application/json"}},
      R"({"error":{"message":"it ended two replicas","type":"invalid_request_error","code":"E2018","symbol":"quarantined"}})"));
}

TEST(Relay, AReplicasRefusalComesThroughAsItIs) {
  FakeReplica replica(refuse_422);
  TestGateway g({model_of("m", {replica.endpoint()})});
  for (const char* stream : {"", R"(,"stream":true)"}) {
    const Answer a = g.chat(stream);
    EXPECT_EQ(a.status, 422);
    EXPECT_EQ(a.symbol(), "quarantined");
  }
  EXPECT_EQ(g.log_records().at(0)["code"], "E2018");
}

TEST(Relay, AQuarantinedRequestReachesNoReplica) {
  FakeReplica replica(answer_ok);
  GatewayOptions options;
  options.quarantined = [](std::uint64_t) { return true; };
  TestGateway g({model_of("m", {replica.endpoint()})}, options);
  EXPECT_EQ(g.chat().status, 422);
  EXPECT_TRUE(replica.seen().empty());
}

TEST(Relay, TheFingerprintIsOfTheBodyTheReplicaGets) {
  FakeReplica replica(answer_ok);
  std::atomic<std::uint64_t> asked{0};
  GatewayOptions options;
  options.quarantined = [&](std::uint64_t fingerprint) {
    asked = fingerprint;
    return false;
  };
  TestGateway g({model_of("m", {replica.endpoint()})}, options);
  g.chat();
  EXPECT_EQ(asked, codec::request_fingerprint(replica.seen().at(0).body));
}

TEST(Relay, NoReadyReplicaIsSaidWithItsReasonAndWhenToComeBack) {
  domain::Model m = model_of("m", {loopback(1)});
  m.replicas[0].state = domain::ReplicaState::starting;
  m.unready_reason = "loading weights, 62 %, ETA 4 s";
  m.retry_after = 4s;
  TestGateway g({m});
  const Answer a = g.chat();
  EXPECT_EQ(a.status, 503);
  EXPECT_EQ(a.symbol(), "no_replica");
  EXPECT_EQ(a.error()["retry_after"], 4.0);
  EXPECT_NE(a.error()["message"].get<std::string>().find("62 %"), std::string::npos);
}

TEST(Relay, RequestsSpreadOverReplicasByLoad) {
  Gate gate;
  const auto hold = [&gate](io::Exchange& x) -> io::Task<> {
    return [](Gate& g, io::Exchange& y) -> io::Task<> {
      co_await g.passed();
      co_await answer_ok(y);
    }(gate, x);
  };
  FakeReplica a(hold), b(hold);
  TestGateway g({model_of("m", {a.endpoint(), b.endpoint()})});
  std::vector<std::future<Answer>> calls;
  for (std::uint32_t n = 1; n <= 4; ++n) {
    calls.push_back(std::async(std::launch::async, [&] { return g.chat(); }));
    while (a.seen().size() + b.seen().size() < n) std::this_thread::yield();
  }
  EXPECT_EQ(a.seen().size(), 2u);
  EXPECT_EQ(b.seen().size(), 2u);
  EXPECT_EQ(g.gateway().in_flight(0), 2u);
  gate.open();
  for (auto& call : calls) EXPECT_EQ(call.get().status, 200);
  EXPECT_EQ(g.gateway().in_flight(0), 0u);
  EXPECT_EQ(g.gateway().in_flight(), 0u);
}

TEST(Relay, ASnapshotIsPickedUpByTheNextRequest) {
  FakeReplica first(answer_ok), second(answer_ok);
  TestGateway g({model_of("m", {first.endpoint()})});
  EXPECT_EQ(g.chat().status, 200);
  domain::Snapshot next;
  next.models = {model_of("m", {second.endpoint()}, 1)};
  g.snapshot().publish(std::make_shared<const domain::Snapshot>(next));
  EXPECT_EQ(g.chat().status, 200);
  EXPECT_EQ(first.seen().size(), 1u);
  EXPECT_EQ(second.seen().size(), 1u);
}

}  // namespace
}  // namespace slipway::gateway::testing
