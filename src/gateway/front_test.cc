// What the gateway itself answers: its own paths, keys, limits, bad input.
#include "gateway/testing.h"

namespace slipway::gateway::testing {
namespace {

using base::ErrorCode;

TEST(Front, UnknownPathsAndWrongMethodsAreCodedErrors) {
  TestGateway g({});
  const Answer none = g.call("GET", "/nope?api_key=x");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.symbol(), "not_found");
  const Answer get = g.call("GET", "/v1/chat/completions");
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.symbol(), "method_not_allowed");
  EXPECT_EQ(g.call("POST", "/v1/models").status, 405);
  EXPECT_EQ(g.call("DELETE", "/health").status, 405);
}

TEST(Front, HealthIsTheProcessAndReadyIsTheModels) {
  domain::Model loading = model_of("m", {loopback(1)});
  loading.replicas[0].state = domain::ReplicaState::starting;
  loading.unready_reason = "loading weights, 62 %";
  TestGateway g({loading});
  EXPECT_EQ(g.call("GET", "/health").status, 200);
  const Answer waiting = g.call("GET", "/ready");
  EXPECT_EQ(waiting.status, 503);
  EXPECT_EQ(json::parse(waiting.body)["waiting"]["m"], "loading weights, 62 %");

  domain::Snapshot ready;
  ready.models = {model_of("m", {loopback(1)})};
  g.snapshot().publish(std::make_shared<const domain::Snapshot>(ready));
  EXPECT_EQ(g.call("GET", "/ready").status, 200);
}

TEST(Front, ModelsAreListedAndFoundByIdAndAlias) {
  TestGateway g({model_of("a", {}), model_of("m", {loopback(1)})});
  const json list = json::parse(g.call("GET", "/v1/models").body);
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(list["data"][0]["id"], "a");
  EXPECT_EQ(list["data"][0]["ready"], false);
  EXPECT_EQ(list["data"][1]["ready"], true);
  for (const char* id : {"m", "owner/m", "owner%2Fm"})
    EXPECT_EQ(json::parse(g.call("GET", std::string("/v1/models/") + id).body)["id"], "m") << id;
  const Answer none = g.call("GET", "/v1/models/zz");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.symbol(), "unknown_model");
}

TEST(Front, EveryErrorHasOpenAisShapeAndARequestId) {
  TestGateway g({});
  const Answer a = g.chat({}, {{"x-request-id", "my-id-1"}});
  EXPECT_EQ(a.status, 404);
  const json e = a.error();
  EXPECT_EQ(e["request_id"], "my-id-1");
  for (const char* member : {"message", "type", "param", "code", "symbol", "next", "retryable"})
    EXPECT_TRUE(e.contains(member)) << member;
  EXPECT_EQ(e["type"], "invalid_request_error");
  EXPECT_EQ(e["param"], "model");
}

TEST(Front, ARequestIdThatIsNotOneIsReplaced) {
  TestGateway g({});
  for (const char* odd : {"", "a b", "x\"y"}) {
    const std::string id = g.chat({}, {{"x-request-id", odd}}).error()["request_id"];
    EXPECT_TRUE(id.starts_with("req_")) << id;
  }
}

struct BadInput {
  const char* name;
  const char* body;
  int status;
  const char* symbol;
};

TEST(Front, BadBodiesNeverReachAReplica) {
  FakeReplica replica(answer_ok);
  GatewayOptions options;
  options.json.max_bytes = 1000;
  TestGateway g({model_of("m", {replica.endpoint()})}, options);
  const std::string large =
      R"({"model":"m","messages":[{"role":"user","content":")" + std::string(2000, 'x') + "\"}]}";
  const BadInput rows[] = {
      {"no body", "", 400, "bad_json"},
      {"malformed", "{\"model\":", 400, "bad_json"},
      {"not an object", "[1]", 400, "bad_json"},
      {"no messages", "{\"model\":\"m\"}", 400, "bad_request"},
      {"a key twice", R"({"model":"m","model":"m","messages":[{"role":"user","content":"x"}]})", 400,
       "bad_request"},
      {"n", R"({"model":"m","n":99,"messages":[{"role":"user","content":"x"}]})", 400, "bad_request"},
      {"unknown model", R"({"model":"zz","messages":[{"role":"user","content":"x"}]})", 404, "unknown_model"},
      {"too large", large.c_str(), 413, "body_too_large"},
  };
  for (const BadInput& row : rows) {
    const Answer a = g.call("POST", "/v1/chat/completions", row.body);
    EXPECT_EQ(a.status, row.status) << row.name << ": " << a.body;
    EXPECT_EQ(a.symbol(), row.symbol) << row.name;
    EXPECT_FALSE(a.error()["next"].get<std::string>().empty());
  }
  EXPECT_TRUE(replica.seen().empty());
}

TEST(Front, ABadTimeoutHeaderIsRefused) {
  TestGateway g({model_of("m", {loopback(1)})});
  for (const char* bad : {"0", "-1", "x", "1.5"})
    EXPECT_EQ(g.chat({}, {{"x-slipway-timeout-ms", bad}}).error()["param"], "x-slipway-timeout-ms") << bad;
}

TEST(Front, AKeyIsNeededKnownAndAllowed) {
  FakeReplica replica(answer_ok);
  domain::KeySet keys = one_key("sk-slip-one");
  keys.keys.begin()->second.models = {"m"};
  TestGateway g({model_of("m", {replica.endpoint()}), model_of("other", {replica.endpoint()})}, {}, keys);
  EXPECT_EQ(g.chat().symbol(), "key_missing");
  EXPECT_EQ(g.chat().status, 401);
  EXPECT_EQ(g.chat({}, {{"authorization", "Bearer nonsense"}}).symbol(), "key_invalid");
  const std::vector<io::Header> key = {{"authorization", "Bearer sk-slip-one"}};
  EXPECT_EQ(g.chat({}, key).status, 200);
  const Answer other = g.call("POST", "/v1/chat/completions",
                              R"({"model":"other","messages":[{"role":"user","content":"x"}]})", key);
  EXPECT_EQ(other.status, 403);
  EXPECT_EQ(other.symbol(), "key_scope");
  EXPECT_EQ(json::parse(g.call("GET", "/v1/models", {}, key).body)["data"].size(), 1u);
  EXPECT_EQ(g.call("GET", "/metrics", {}, key).status, 403);  // needs the scope admin
  EXPECT_EQ(g.call("GET", "/health").status, 200);
  EXPECT_EQ(replica.seen().size(), 1u);
  EXPECT_EQ(replica.seen()[0].headers.count("authorization"), 0u);  // a replica never sees a key
  EXPECT_EQ(replica.seen()[0].headers["x-slipway-cache-salt"], "key_test");
}

TEST(Front, ARevokedKeyStopsWithTheNextKeySet) {
  FakeReplica replica(answer_ok);
  base::Published<domain::Snapshot> snapshot;
  base::Published<domain::KeySet> keys(std::make_shared<const domain::KeySet>(one_key("sk-slip-one")));
  telemetry::Registry metrics;
  Gateway gateway({}, snapshot, keys, metrics);
  ASSERT_TRUE(gateway.start(loopback()));
  io::HttpRequest request;
  request.target = "/v1/models";
  request.headers = {{"authorization", "Bearer sk-slip-one"}};
  const auto call = [&] {
    return io::http_call(gateway.local(), request, base::Deadline::after(kHang))->status;
  };
  EXPECT_EQ(call(), 200);
  domain::KeySet none;
  none.required = true;
  keys.publish(std::make_shared<const domain::KeySet>(none));
  EXPECT_EQ(call(), 401);
}

TEST(Front, OffLoopbackWithoutKeysIsRefusedAtStart) {
  base::Published<domain::Snapshot> snapshot;
  base::Published<domain::KeySet> keys;
  telemetry::Registry metrics;
  Gateway gateway({}, snapshot, keys, metrics);
  domain::Endpoint everywhere;
  everywhere.host = "0.0.0.0";
  const auto started = gateway.start(everywhere);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), ErrorCode::key_required);
}

TEST(Front, APageOfAnotherSiteIsRefusedWhereNoKeyIsNeeded) {
  TestGateway g({model_of("m", {})});
  const Answer page = g.call("GET", "/v1/models", {}, {{"origin", "https://attacker.example"}});
  EXPECT_EQ(page.status, 403);
  EXPECT_EQ(page.symbol(), "cross_site");
}

TEST(Front, RequestsAMinuteAreLimitedPerKeyWithRetryAfter) {
  FakeReplica replica(answer_ok);
  TestGateway g({model_of("m", {replica.endpoint()})}, {},
                one_key("sk-slip-one", {.requests_per_minute = 2}));
  const std::vector<io::Header> key = {{"authorization", "Bearer sk-slip-one"}};
  EXPECT_EQ(g.chat({}, key).status, 200);
  EXPECT_EQ(g.chat({}, key).status, 200);
  const Answer third = g.chat({}, key);
  EXPECT_EQ(third.status, 429);
  EXPECT_EQ(third.symbol(), "rate_limited");
  EXPECT_GT(third.error()["retry_after"].get<double>(), 0);
  EXPECT_EQ(third.error()["retryable"], true);
  EXPECT_NE(g.metrics().find("slipway_gateway_limited_total{limit=\"requests_per_minute\"} 1"),
            std::string::npos);
}

TEST(Front, TokensAreReservedBeforeAndSettledAfterTheAnswer) {
  FakeReplica replica(answer_ok);
  TestGateway g({model_of("m", {replica.endpoint()})}, {},
                one_key("sk-slip-one", {.tokens_per_minute = 100}));
  const std::vector<io::Header> key = {{"authorization", "Bearer sk-slip-one"}};
  // Each reserves about 80 and uses 7, so that several fit although two reservations would not.
  for (int i = 0; i < 4; ++i) EXPECT_EQ(g.chat(R"(,"max_tokens":50)", key).status, 200) << i;
  // The default of 512 needs a full bucket now.
  const Answer large = g.chat({}, key);
  EXPECT_EQ(large.status, 429);
  EXPECT_EQ(large.error()["param"], "tokens_per_minute");
}

TEST(Front, ConcurrencyIsLimitedPerKey) {
  Gate gate;
  Signal inside;
  FakeReplica replica([&](io::Exchange& x) -> io::Task<> {
    inside.set();
    return [](Gate& g, io::Exchange& y) -> io::Task<> {
      co_await g.passed();
      co_await answer_ok(y);
    }(gate, x);
  });
  TestGateway g({model_of("m", {replica.endpoint()})}, {}, one_key("sk-slip-one", {.concurrent = 1}));
  const std::vector<io::Header> key = {{"authorization", "Bearer sk-slip-one"}};
  auto first = std::async(std::launch::async, [&] { return g.chat({}, key); });
  ASSERT_TRUE(inside.wait());
  EXPECT_EQ(g.gateway().in_flight(0), 1u);
  EXPECT_EQ(g.gateway().in_flight(), 1u);
  const Answer second = g.chat({}, key);
  EXPECT_EQ(second.status, 429);
  EXPECT_EQ(second.error()["param"], "concurrent");
  gate.open();
  EXPECT_EQ(first.get().status, 200);
  EXPECT_EQ(g.chat({}, key).status, 200);
}

TEST(Front, MetricsAndOneLogLineSayWhatHappenedAndNeverWhatWasSaid) {
  FakeReplica replica(answer_ok);
  TestGateway g({model_of("m", {replica.endpoint()})});
  EXPECT_EQ(g.chat({}, {{"x-request-id", "r-1"}}).status, 200);
  EXPECT_EQ(g.call("POST", "/v1/chat/completions", "{}", {{"x-request-id", "r-2"}}).status, 400);
  EXPECT_EQ(g.call("GET", "/health").status, 200);
  const std::string metrics = g.metrics();
  for (const char* line : {"llm_requests_total{model=\"m\",outcome=\"ok\",code=\"\"} 1",
                           "llm_tokens_total{model=\"m\",type=\"input\"} 5",
                           "llm_prefix_cache_queried_tokens_total{model=\"m\"} 5",
                           "llm_prefix_cache_hit_tokens_total{model=\"m\"} 0",
                           "slipway_gateway_http_requests_total{route=\"chat\",status=\"400\"} 1",
                           "gen_ai_server_request_duration_seconds_count{model=\"m\",operation=\"chat\"} 1"})
    EXPECT_NE(metrics.find(line), std::string::npos) << line << "\n" << metrics;
  const std::string log = g.log();
  EXPECT_EQ(log.find("canary"), std::string::npos);
  const auto records = g.log_records();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0]["request_id"], "r-1");
  EXPECT_EQ(records[0]["outcome"], "ok");
  EXPECT_EQ(records[0]["tokens_out"], 2);
  EXPECT_EQ(records[0]["replica"], "m-0");
  EXPECT_EQ(records[1]["outcome"], "refused");
  EXPECT_EQ(records[1]["code"], "E2005");
}

TEST(Front, ADrainingGatewayFinishesWhatRunsAndTakesNothingNew) {
  Gate gate;
  Signal inside;
  FakeReplica replica([&](io::Exchange& x) -> io::Task<> {
    inside.set();
    return [](Gate& g, io::Exchange& y) -> io::Task<> {
      co_await g.passed();
      co_await answer_ok(y);
    }(gate, x);
  });
  TestGateway g({model_of("m", {replica.endpoint()})});
  auto running = std::async(std::launch::async, [&] { return g.chat(); });
  ASSERT_TRUE(inside.wait());
  auto drained =
      std::async(std::launch::async, [&] { return g.gateway().drain(base::Deadline::after(kHang)); });
  gate.open();
  EXPECT_EQ(running.get().status, 200);
  EXPECT_EQ(drained.get(), 0u);
  const Answer late = g.chat();
  EXPECT_TRUE(late.status == 0 || late.status == 503);
}

TEST(Front, TwoThreadsShareOnePort) {
  FakeReplica replica(answer_ok);
  TestGateway g({model_of("m", {replica.endpoint()})}, {.threads = 2});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(g.chat().status, 200);
  EXPECT_TRUE(g.counts("llm_requests_total{model=\"m\",outcome=\"ok\",code=\"\"} 20"));
}

}  // namespace
}  // namespace slipway::gateway::testing
