// Replicas that do not speak OpenAI's API, and paths that only some of them have.
#include "gateway/testing.h"

namespace slipway::gateway::testing {
namespace {

domain::Model triton_model(const FakeReplica& replica) {
  domain::Model model = model_of("m", {replica.endpoint()});
  model.dialect = domain::Dialect::triton_generate;
  return model;
}

io::Task<> triton(io::Exchange& x) {
  if (!x.head().target.ends_with("generate_stream")) {
    static_cast<void>(co_await x.respond(
        200, {{"content-type", "application/json"}},
        R"({"text_output":"hi","finish_reason":"stop","num_input_tokens":5,"num_output_tokens":2})"));
    co_return;
  }
  static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream; charset=utf-8"}}));
  for (const char* event : {"data: "
                            "{\"text_output\":\"he\",\"finish_reason\":\"None\",\"num_input_tokens\":5,\"num_"
                            "output_tokens\":1}\n\n",
                            "data: "
                            "{\"text_output\":\"y\",\"finish_reason\":\"stop\",\"num_input_tokens\":5,\"num_"
                            "output_tokens\":1}\n\n"})
    static_cast<void>(co_await x.write(event));
  static_cast<void>(co_await x.finish());
}

// The stream ends cleanly, but the model had not finished.
io::Task<> triton_that_stops(io::Exchange& x) {
  static_cast<void>(x.start_stream(200, {{"content-type", "text/event-stream"}}));
  static_cast<void>(co_await x.write("data: {\"text_output\":\"he\",\"finish_reason\":\"None\"}\n\n"));
  static_cast<void>(co_await x.finish());
}

io::Task<> triton_that_is_full(io::Exchange& x) {
  static_cast<void>(
      co_await x.respond(503, {{"content-type", "application/json"}}, R"({"error":"the queue is full"})"));
}

TEST(Dialects, ACompletionGoesThroughTritonAndComesBackAsOpenAis) {
  FakeReplica replica(triton);
  TestGateway g({triton_model(replica)});
  const Answer a = g.call("POST", "/v1/completions", R"({"model":"owner/m","prompt":"x","max_tokens":3})");
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(json::parse(a.body)["choices"][0]["text"], "hi");
  EXPECT_EQ(replica.seen().at(0).target, "/v2/models/m/generate");
  EXPECT_EQ(json::parse(replica.seen().at(0).body)["text_input"], "x");
  EXPECT_EQ(g.log_records().at(0)["tokens_out"], 2);
}

TEST(Dialects, AStreamOfTritonsEndsWithDone) {
  FakeReplica replica(triton);
  TestGateway g({triton_model(replica)});
  const Answer a = g.call("POST", "/v1/completions", R"({"model":"m","prompt":"x","stream":true})");
  const std::string events = a.events();
  EXPECT_NE(events.find(R"("text":"he")"), std::string::npos);
  EXPECT_EQ(events.find("usage"), std::string::npos) << "nobody asked for it";
  EXPECT_TRUE(events.ends_with(kDone));
  EXPECT_EQ(g.log_records().at(0)["outcome"], "ok");
  EXPECT_EQ(g.log_records().at(0)["tokens_out"], 2);
}

TEST(Dialects, AStreamOfTritonsThatWasCutIsAnError) {
  FakeReplica replica(triton_that_stops);
  TestGateway g({triton_model(replica)});
  const std::string events =
      g.call("POST", "/v1/completions", R"({"model":"m","prompt":"x","stream":true})").events();
  EXPECT_NE(events.find("event: error"), std::string::npos);
  EXPECT_EQ(events.find(kDone), std::string::npos);
}

TEST(Dialects, ATritonThatRefusesIsRefusedInOpenAisShape) {
  FakeReplica replica(triton_that_is_full);
  TestGateway g({triton_model(replica)});
  const Answer a = g.call("POST", "/v1/completions", R"({"model":"m","prompt":"x"})");
  EXPECT_EQ(a.status, 503);
  EXPECT_EQ(a.error()["message"], "the queue is full");
}

TEST(Dialects, AChatWithTritonIsRefusedWithWhatItTakes) {
  FakeReplica replica(triton);
  TestGateway g({triton_model(replica)});
  const Answer a = g.chat();
  EXPECT_EQ(a.status, 400);
  EXPECT_EQ(a.symbol(), "unsupported");
  EXPECT_TRUE(replica.seen().empty());
}

TEST(Dialects, AModelIsAskedByTheNameThatItsReplicasKnow) {
  FakeReplica replica(answer_ok);
  domain::Model model = model_of("lab/m", {replica.endpoint()});
  model.served_as = "m";
  TestGateway g({model});
  EXPECT_EQ(g.call("POST", "/v1/completions", R"({"model":"lab/m","prompt":"x"})").status, 200);
  EXPECT_EQ(json::parse(replica.seen().at(0).body)["model"], "m");
}

TEST(Dialects, ImagesAreRelayedAndNeedAPrompt) {
  FakeReplica replica(answer_ok);
  TestGateway g({model_of("m", {replica.endpoint()})});
  EXPECT_EQ(
      g.call("POST", "/v1/images/generations", R"({"model":"m","prompt":"a boat","size":"64x64"})").status,
      200);
  EXPECT_EQ(replica.seen().at(0).target, "/v1/images/generations");
  EXPECT_EQ(json::parse(replica.seen().at(0).body)["size"], "64x64");
  const Answer none = g.call("POST", "/v1/images/generations", R"({"model":"m"})");
  EXPECT_EQ(none.status, 400);
  EXPECT_EQ(none.error()["param"], "prompt");
}

TEST(Dialects, InAClusterReadyMeansThatTheModelsAreKnown) {
  domain::Model loading = model_of("m", {loopback(1)});
  loading.replicas[0].state = domain::ReplicaState::starting;
  GatewayOptions options;
  options.ready_without_models = true;
  TestGateway g({loading}, options);
  domain::Snapshot snapshot;
  g.snapshot().publish(std::make_shared<const domain::Snapshot>(snapshot));
  EXPECT_EQ(g.call("GET", "/ready").status, 503);
  snapshot.version = 1;
  snapshot.models = {loading};
  g.snapshot().publish(std::make_shared<const domain::Snapshot>(snapshot));
  EXPECT_EQ(g.call("GET", "/ready").status, 200);
}

}  // namespace
}  // namespace slipway::gateway::testing
