// Tests of the engine run the real model. Where it is: SLIPWAY_TEST_MODEL (the path of SmolLM2-135M-Instruct
// as GGUF), else
// ~/.cache/slipway-tests/model/. Without it the tests skip and say so.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/vocabulary.h"

namespace slipway::engine {

inline std::string test_model() {
  const char* given = std::getenv("SLIPWAY_TEST_MODEL");
  std::string path = given != nullptr ? given : "";
  if (const char* home = std::getenv("HOME"); path.empty() && home != nullptr)
    path = std::string(home) + "/.cache/slipway-tests/model/SmolLM2-135M-Instruct.Q4_1.gguf";
  return std::filesystem::exists(path) ? path : std::string();
}

inline domain::LoadPlan small_plan(domain::KvLayout layout = domain::KvLayout::unified) {
  domain::LoadPlan plan;
  plan.path = test_model();
  plan.model_id = "smollm2";
  plan.context_tokens = 1024;
  plan.parallel = 8;
  plan.kv_tokens = layout == domain::KvLayout::unified ? 4096 : 8 * 1024;
  plan.layout = layout;
  plan.threads = 1;  // tests share the machine; waiting compute threads spin
  return plan;
}

// Collects one request's tokens.
class Collector final : public Sink {
 public:
  std::function<void(int)> at_token;  // called with the count so far, on the loop thread

  void on_token(const TokenEvent& event) override {
    int n = 0;
    {
      const std::lock_guard lock(mutex_);
      tokens_.push_back(event.token);
      logprobs_.push_back(event.logprob);
      tops_.emplace_back(event.top.begin(), event.top.end());
      n = static_cast<int>(tokens_.size());
    }
    changed_.notify_all();
    if (at_token) at_token(n);
  }
  void on_finish(FinishReason reason, const Usage& usage, const base::Error* error) override {
    {
      const std::lock_guard lock(mutex_);
      ++finishes_;
      reason_ = reason;
      usage_ = usage;
      if (error != nullptr) error_ = error->to_string();
    }
    changed_.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finishes_ > 0; });
  }
  void wait_tokens(std::size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return tokens_.size() >= n || finishes_ > 0; });
  }
  // After wait().
  const std::vector<Token>& tokens() const { return tokens_; }
  const std::vector<float>& logprobs() const { return logprobs_; }
  const std::vector<std::vector<TokenLogprob>>& tops() const { return tops_; }
  FinishReason reason() const { return reason_; }
  const Usage& usage() const { return usage_; }
  const std::string& error() const { return error_; }
  int finishes() const { return finishes_; }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Token> tokens_;
  std::vector<float> logprobs_;
  std::vector<std::vector<TokenLogprob>> tops_;
  FinishReason reason_ = FinishReason::error;
  Usage usage_;
  std::string error_;
  int finishes_ = 0;
};

struct Running {
  std::shared_ptr<Collector> sink = std::make_shared<Collector>();
  std::unique_ptr<Ticket> ticket;
};

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!test_model().empty()) return;
    GTEST_SKIP() << "SKIPPED, THE ENGINE IS NOT TESTED: no model. Set SLIPWAY_TEST_MODEL to "
                    "SmolLM2-135M-Instruct.Q4_1.gguf, or run ./test.sh, which fetches it.";
  }

  void load(const domain::LoadPlan& plan, int max_queue = 64, LoadHooks hooks = {}) {
    if (!hooks.log)
      hooks.log = [](LogLevel level, std::string_view line) {
        if (level == LogLevel::error) std::cerr << line << "\n";
      };
    auto loaded = Engine::load(plan, hooks, max_queue);
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    engine_ = *std::move(loaded);
  }

  std::vector<Token> tokens(std::string_view text) const {
    return engine_->vocabulary().tokenize(text, false, true);
  }
  std::string text(const std::vector<Token>& ids) const {
    std::string out;
    for (Token t : ids) out += engine_->vocabulary().piece(t);
    return out;
  }
  static std::string chat(std::string_view question) {
    return "<|im_start|>user\n" + std::string(question) + "<|im_end|>\n<|im_start|>assistant\n";
  }
  // A prompt of about `words` different words, the same for the same seed.
  static std::string long_text(int words, unsigned seed = 1) {
    static const char* const kWords[] = {"river",  "stone",   "lantern", "seven", "green", "walks",
                                         "under",  "morning", "paper",   "quiet", "north", "bread",
                                         "window", "carries", "salt",    "tower"};
    std::string out;
    unsigned state = seed * 2654435761u + 12345u;
    for (int i = 0; i < words; ++i) {
      state = state * 1664525u + 1013904223u;
      out += std::string(kWords[state >> 28]) + " ";
    }
    return out;
  }

  Request greedy(std::string_view prompt, int max_tokens) const {
    Request r;
    r.prompt = tokens(prompt);
    r.max_tokens = max_tokens;
    r.sampling.temperature = 0;
    r.sampling.top_logprobs = 3;
    return r;
  }
  Running submit(Request request, std::function<void(int)> at_token = {}) {
    Running running;
    running.sink->at_token = std::move(at_token);
    auto ticket = engine_->submit(std::move(request), running.sink);
    EXPECT_TRUE(ticket) << ticket.error().to_string();
    if (ticket) {
      running.ticket = *std::move(ticket);
    } else {
      running.sink->on_finish(FinishReason::error, {}, &ticket.error());
    }
    return running;
  }
  std::shared_ptr<Collector> run(Request request) {
    const Running running = submit(std::move(request));
    running.sink->wait();
    return running.sink;
  }

  // How much better the chosen token was than the best that could have stood in its place: one that is above
  // it may not be chosen (an end that is ignored).
  static float lead(const Collector& answer, std::size_t i) {
    float next = -100;
    for (const TokenLogprob& t : answer.tops()[i])
      if (t.token != answer.tokens()[i] && t.logprob <= answer.logprobs()[i])
        next = std::max(next, t.logprob);
    return answer.logprobs()[i] - next;
  }

  // The same greedy answer, up to a tie. The CPU's attention sums in 16 bits for few rows and in 32 bits for
  // many, so the same tokens computed in batches of other shapes differ by up to about 0.2 in a logit; two
  // tokens may change places where they were twice that apart, and only there. A GPU has other kernels for
  // few rows than for many, in 8 and 16 bits: there answers parted at up to 0.54. A mixed-up sequence or
  // position parts them anywhere.
  void expect_same(const Collector& want, const Collector& got, const std::string& what) const {
    const float tie = engine_->facts().device == "CPU" ? 0.45f : 0.8f;
    const std::size_t n = std::min(want.tokens().size(), got.tokens().size());
    for (std::size_t i = 0; i < n; ++i) {
      if (want.tokens()[i] == got.tokens()[i]) continue;
      ASSERT_GE(want.tops()[i].size(), 3u);
      EXPECT_LT(lead(want, i), tie) << what << ": the answers part at token " << i << " without a tie";
      return;
    }
    EXPECT_EQ(want.tokens().size(), got.tokens().size()) << what;
  }

  std::unique_ptr<Engine> engine_;
};

}  // namespace slipway::engine
