// What one relayed request costs: client -> our relay -> mock, one POST of 300 bytes and an answer of 500
// after the other on 16 kept connections. The relay runs on its own thread; its CPU time a request is the
// figure to hold against HAProxy's (about 17.5 us on the machine where the bar was set), since client and
// mock run on other threads.
#include <benchmark/benchmark.h>
#include <time.h>
#include <unistd.h>

#include <future>

#include "io/http.h"

namespace slipway::io {
namespace {

constexpr int kConnections = 16;

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

template <class F>
auto on_loop(Loop& loop, F f) {
  std::promise<std::invoke_result_t<F>> promise;
  loop.post([&] { promise.set_value(f()); });
  return promise.get_future().get();
}

Task<> mock(Exchange& x) {
  static const std::string kAnswer(500, 'a');
  (void)co_await x.body();
  (void)co_await x.respond(200, {{"Content-Type", "application/json"}}, kAnswer);
}

struct Relay {
  Endpoint upstream;
  std::optional<HttpClient> client;
  Task<> operator()(Exchange& x) {
    const auto body = co_await x.body();
    if (!body) co_return;
    HttpRequest request;
    request.method = "POST";
    request.target = x.head().target;
    request.headers = {{"content-type", "application/json"},
                       {"x-request-id", "req_01jdx3zv6k9q8m2f7w5c4b3a2z"}};
    request.body = *body;
    const auto answer =
        co_await client->send(upstream, request, base::Deadline::after(std::chrono::seconds(30)));
    if (!answer) co_return;
    const auto content = co_await (*answer)->read_some();
    if (!content) co_return;
    (void)co_await x.respond((*answer)->head().status, {{"Content-Type", "application/json"}}, *content);
  }
};

// The event stream: the mock writes `events` pieces, the relay passes each on.
Task<> stream_mock(Exchange& x) {
  const std::string event =
      "data: {\"choices\":[{\"delta\":{\"content\":\" word\"}}],\"id\":\"chatcmpl-0123456789\"}\n\n";
  (void)co_await x.body();
  (void)x.start_stream(200, {{"Content-Type", "text/event-stream"}});
  for (int i = 0; i < 200; ++i) (void)co_await x.write(event);
  (void)co_await x.finish();
}

struct StreamRelay {
  Relay relay;
  Task<> operator()(Exchange& x) {
    const auto body = co_await x.body();
    if (!body) co_return;
    HttpRequest request;
    request.method = "POST";
    request.target = x.head().target;
    request.body = *body;
    const auto answer = co_await relay.client->send(relay.upstream, request, base::Deadline());
    if (!answer) co_return;
    (void)x.start_stream(200, {{"Content-Type", "text/event-stream"}});
    while (true) {
      const auto piece = co_await (*answer)->read_some();
      if (!piece || piece->empty()) break;
      (void)co_await x.write(*piece);
    }
    (void)co_await x.finish();
  }
};

Task<> drive(HttpClient& client, Endpoint where, int count, std::string body, int& running,
             std::promise<void>& done) {
  HttpRequest request;
  request.method = "POST";
  request.target = "/v1/chat/completions";
  request.headers = {{"content-type", "application/json"}, {"authorization", "Bearer sk-0123456789abcdef"}};
  request.body = body;
  for (int i = 0; i < count; ++i) {
    const auto answer = co_await client.send(where, request, base::Deadline());
    if (!answer) std::abort();
    while (true) {
      const auto piece = co_await (*answer)->read_some();
      if (!piece) std::abort();
      if (piece->empty()) break;
    }
  }
  if (--running == 0) done.set_value();
}

Endpoint address(bool local, const char* name) {
  if (!local) return {"", "127.0.0.1", 0};
  return {"/tmp/slipway-bench-" + std::string(name) + std::to_string(::getpid()), "", 0};
}

// Hops: client - relay over TCP; relay - mock over TCP or a unix socket.
template <class Handler>
void relay_bench(benchmark::State& state, HttpServer::Handler upstream, Handler& handler, Relay& relay,
                 int requests) {
  Loop mock_loop("mock"), relay_loop("relay"), client_loop("client");
  HttpServer mock_server(mock_loop, {}, std::move(upstream));
  if (!mock_server.listen(address(state.range(0) == 1, "mock"))) std::abort();
  relay.upstream = mock_server.local();
  relay.client.emplace(relay_loop);
  HttpServer relay_server(relay_loop, {}, [&handler](Exchange& x) { return handler(x); });
  if (!relay_server.listen(address(false, "relay"))) std::abort();
  const Endpoint front = relay_server.local();
  HttpClient client(client_loop);
  mock_loop.start();
  relay_loop.start();
  client_loop.start();
  double cpu = 0;
  for (auto _ : state) {
    const double before = on_loop(relay_loop, cpu_seconds);
    std::promise<void> done;
    int running = kConnections;
    for (int i = 0; i < kConnections; ++i)
      client_loop.spawn(drive(client, front, requests / kConnections, std::string(300, 'b'), running, done));
    done.get_future().get();
    cpu += on_loop(relay_loop, cpu_seconds) - before;
  }
  const double total = static_cast<double>(state.iterations()) * requests;
  state.counters["relay_cpu_us"] = cpu * 1e6 / total;
  state.counters["requests_per_s"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  client_loop.stop();
}

void RelayOnePost(benchmark::State& state) {
  Relay relay;
  relay_bench(state, mock, relay, relay, 16'000);
}
BENCHMARK(RelayOnePost)->ArgName("unix")->Arg(0)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);

void RelayStreamOf200Events(benchmark::State& state) {
  StreamRelay stream;
  relay_bench(state, stream_mock, stream, stream.relay, 480);
}
BENCHMARK(RelayStreamOf200Events)
    ->ArgName("unix")
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace slipway::io
