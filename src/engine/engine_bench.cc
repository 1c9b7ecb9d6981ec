// The engine without HTTP: closed-loop clients with prompts of their own, or a cold burst on one prefix. For
// tuning the loop; the figures that count are taken at the worker's socket (bench/run engine).
//   engine_bench MODEL unified|streams PARALLEL SCENARIO CLIENTS [THREADS] [BATCH] [KV_TOKENS]
//   SCENARIO: unrelated (180 + 128 tokens each, 3 rounds), burst (a 2,000-token prefix, 16-token tails, 1 +
//   16 tokens)
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "engine/engine.h"
#include "engine/vocabulary.h"

namespace slipway::engine {
namespace {

struct Timed final : Sink {
  base::MonotonicTime begin = base::monotonic_now();
  double first = -1, last = 0;
  int tokens = 0;
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;

  void on_token(const TokenEvent&) override {
    last = base::seconds(base::monotonic_now() - begin);
    if (first < 0) first = last;
    ++tokens;
  }
  void on_finish(FinishReason, const Usage&, const base::Error* error) override {
    if (error != nullptr) std::fprintf(stderr, "%s\n", error->to_string().c_str());
    const std::lock_guard lock(mutex);
    done = true;
    ended.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex);
    ended.wait(lock, [this] { return done; });
  }
};

std::vector<Token> random_tokens(base::Rng& rng, int n, int vocabulary) {
  std::vector<Token> tokens;
  while (static_cast<int>(tokens.size()) < n)
    tokens.push_back(static_cast<Token>(1000 + rng.below(static_cast<std::uint64_t>(vocabulary - 2000))));
  return tokens;
}

Request request(std::vector<Token> prompt, int answer) {
  Request r;
  r.prompt = std::move(prompt);
  r.max_tokens = answer;
  r.sampling.temperature = 0;
  r.sampling.ignore_eos = true;
  return r;
}

void print(const char* what, std::vector<double> ttft, int tokens, double seconds) {
  std::ranges::sort(ttft);
  const auto at = [&](double q) {
    return ttft[static_cast<std::size_t>(q * static_cast<double>(ttft.size() - 1))];
  };
  std::printf("%-24s %8.1f tok/s  ttft p50 %.2f s p99 %.2f s  wall %.2f s\n", what, tokens / seconds, at(0.5),
              at(0.99), seconds);
}

void unrelated(Engine& engine, int clients) {
  const int rounds = clients <= 1 ? 4 : 3;
  std::vector<double> ttft;
  std::mutex mutex;
  int tokens = 0;
  const base::MonotonicTime begin = base::monotonic_now();
  std::vector<std::thread> threads;
  for (int c = 0; c < clients; ++c)
    threads.emplace_back([&, c] {
      base::Rng rng(static_cast<std::uint64_t>(c) + 1);
      for (int i = 0; i < rounds; ++i) {
        const auto sink = std::make_shared<Timed>();
        auto ticket = engine.submit(request(random_tokens(rng, 180, engine.vocabulary().size()), 128), sink);
        sink->wait();
        const std::lock_guard lock(mutex);
        ttft.push_back(sink->first);
        tokens += sink->tokens;
      }
    });
  for (std::thread& t : threads) t.join();
  print("unrelated", ttft, tokens, base::seconds(base::monotonic_now() - begin));
}

double lone(Engine& engine, const std::vector<Token>& prompt) {
  const auto sink = std::make_shared<Timed>();
  Request r = request(prompt, 1);
  r.cache_prompt = false;
  auto ticket = engine.submit(std::move(r), sink);
  sink->wait();
  return sink->first;
}

void burst(Engine& engine, int clients) {
  base::Rng rng(42);
  const int n = engine.vocabulary().size();
  std::vector<Token> everything = random_tokens(rng, 2000, n);
  for (int c = 0; c < clients; ++c)
    std::ranges::copy(random_tokens(rng, 16, n), std::back_inserter(everything));
  const double alone = lone(engine, everything);
  const std::vector<Token> prefix = random_tokens(rng, 2000, n);
  std::vector<std::shared_ptr<Timed>> sinks;
  std::vector<std::unique_ptr<Ticket>> tickets;
  const base::MonotonicTime begin = base::monotonic_now();
  for (int c = 0; c < clients; ++c) {
    std::vector<Token> prompt = prefix;
    std::ranges::copy(random_tokens(rng, 16, n), std::back_inserter(prompt));
    sinks.push_back(std::make_shared<Timed>());
    auto ticket = engine.submit(request(std::move(prompt), 16), sinks.back());
    tickets.push_back(std::move(*ticket));
  }
  std::vector<double> ttft;
  int tokens = 0;
  for (const auto& sink : sinks) {
    sink->wait();
    ttft.push_back(sink->first);
    tokens += sink->tokens;
  }
  print("burst", ttft, tokens, base::seconds(base::monotonic_now() - begin));
  std::printf("lone prefill of all %.2f s, worst ttft / lone = %.2f\n", alone,
              *std::ranges::max_element(ttft) / alone);
}

int run(int argc, char** argv) {
  if (argc < 6) return 2;
  const auto number = [&](int i, int fallback) { return argc > i ? std::atoi(argv[i]) : fallback; };
  domain::LoadPlan plan;
  plan.path = argv[1];
  plan.layout = std::strcmp(argv[2], "unified") == 0 ? domain::KvLayout::unified : domain::KvLayout::streams;
  plan.parallel = std::atoi(argv[3]);
  const bool is_burst = std::strcmp(argv[4], "burst") == 0;
  const int clients = std::atoi(argv[5]);
  plan.threads = number(6, 2);
  plan.batch_tokens = number(7, 0);
  plan.context_tokens = is_burst ? 2816 : 512;
  const bool unified = plan.layout == domain::KvLayout::unified;
  plan.kv_tokens = number(8, is_burst && unified ? 8192 : plan.parallel * plan.context_tokens);
  auto engine = Engine::load(plan, {});
  if (!engine) {
    std::fprintf(stderr, "%s\n", engine.error().to_string().c_str());
    return 1;
  }
  is_burst ? burst(**engine, clients) : unrelated(**engine, clients);
  const Stats s = (*engine)->stats();
  std::printf("steps %llu prompt %llu cached %llu output %llu preempted %llu\n",
              static_cast<unsigned long long>(s.steps), static_cast<unsigned long long>(s.prompt_tokens),
              static_cast<unsigned long long>(s.cached_tokens),
              static_cast<unsigned long long>(s.output_tokens),
              static_cast<unsigned long long>(s.preemptions));
  return 0;
}

}  // namespace
}  // namespace slipway::engine

int main(int argc, char** argv) {
  return slipway::engine::run(argc, argv);
}
