// For tests: a vocabulary without a model file on disk from elsewhere, and an engine that plays a script.
#pragma once

#include <gguf.h>
#include <llama.h>
#include <stdlib.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "engine/engine.h"
#include "engine/vocabulary.h"

namespace slipway::worker::testing {

// A directory of one test, removed with it.
class TestDirectory {
 public:
  TestDirectory() {
    char name[] = "/tmp/slipway-worker-test-XXXXXX";
    SLIPWAY_CHECK(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// A llama.cpp model that has only a vocabulary: <unk>, <s>, </s>, <|tool|>, the 256 bytes and a few words.
class TinyModel {
 public:
  TinyModel() {
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    const std::string path = directory_.file("vocabulary.gguf");
    write(path);
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    model_ = llama_model_load_from_file(path.c_str(), params);
    SLIPWAY_CHECK(model_ != nullptr);
  }
  ~TinyModel() { llama_model_free(model_); }
  const llama_model* get() const { return model_; }

 private:
  static void write(const std::string& path) {
    std::vector<std::string> tokens = {"<unk>", "<s>", "</s>", "<|tool|>"};
    std::vector<float> scores(4, 0);
    std::vector<std::int32_t> types = {2, 3, 3, 3};  // unknown, control
    for (int byte = 0; byte < 256; ++byte) {
      char name[8];
      std::snprintf(name, sizeof(name), "<0x%02X>", byte);
      tokens.emplace_back(name);
      scores.push_back(0);
      types.push_back(6);  // byte
    }
    for (const char* word : {"\u2581", "\u2581hello", "\u2581world", "stop"}) {
      tokens.emplace_back(word);
      scores.push_back(-1);
      types.push_back(1);  // normal
    }
    gguf_context* file = gguf_init_empty();
    gguf_set_val_str(file, "general.architecture", "llama");
    for (const char* key :
         {"context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"})
      gguf_set_val_u32(file, (std::string("llama.") + key).c_str(), 32);
    gguf_set_val_f32(file, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_set_val_str(file, "tokenizer.ggml.model", "llama");
    std::vector<const char*> names;
    for (const std::string& token : tokens) names.push_back(token.c_str());
    gguf_set_arr_str(file, "tokenizer.ggml.tokens", names.data(), names.size());
    gguf_set_arr_data(file, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores.data(), scores.size());
    gguf_set_arr_data(file, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), types.size());
    gguf_set_val_u32(file, "tokenizer.ggml.bos_token_id", 1);
    gguf_set_val_u32(file, "tokenizer.ggml.eos_token_id", 2);
    gguf_set_val_u32(file, "tokenizer.ggml.unknown_token_id", 0);
    SLIPWAY_CHECK(gguf_write_to_file(file, path.c_str(), true));
    gguf_free(file);
  }

  TestDirectory directory_;
  llama_model* model_ = nullptr;
};

inline constexpr engine::Token kEndToken = 2;
inline constexpr engine::Token kToolToken = 3;

// One token a byte.
inline std::vector<engine::Token> bytes_as_tokens(std::string_view text) {
  std::vector<engine::Token> out;
  for (const char c : text) out.push_back(4 + static_cast<unsigned char>(c));
  return out;
}

// Plays a script instead of a model: every request gets the tokens that `script` returns for it, on a thread
// of its own, and then ends as told. `hold` stops it before the token of that number until the ticket is
// cancelled.
class FakeEngine : public engine::Engine {
 public:
  struct Play {
    std::vector<engine::Token> tokens = {};
    engine::FinishReason reason = engine::FinishReason::stop;
    int hold = -1;
    std::optional<base::Error> error = std::nullopt;
  };

  FakeEngine() : vocabulary_(model_.get()), thread_([this] { run(); }) {
    plan_.model_id = "tiny";
    plan_.path = "/models/tiny.gguf";
  }
  ~FakeEngine() override {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  std::function<base::Result<Play>(const engine::Request&)> script = [](const engine::Request&) {
    return Play{};
  };
  domain::LoadPlan plan_;

  // What submit() saw, in order.
  std::vector<engine::Request> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  int cancelled() const {
    std::lock_guard lock(mutex_);
    return cancelled_;
  }
  // Blocks until `n` requests were cancelled.
  void wait_for_cancelled(int n) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_ >= n; });
  }

  const engine::Vocabulary& vocabulary() const override { return vocabulary_; }
  domain::ReplicaFacts facts() const override {
    return {.fingerprint = "0123456789abcdef0123",
            .context_tokens = 512,
            .kv_tokens = 1024,
            .parallel = 4,
            .device = "CPU"};
  }
  const domain::LoadPlan& plan() const override { return plan_; }

  base::Result<std::unique_ptr<engine::Ticket>> submit(engine::Request request,
                                                       std::shared_ptr<engine::Sink> sink) override {
    auto play = script(request);
    std::lock_guard lock(mutex_);
    requests_.push_back(request);
    if (!play) return std::move(play).error();
    auto job = std::make_shared<Job>(
        Job{*std::move(play), std::move(sink), static_cast<int>(request.prompt.size())});
    jobs_.push_back(job);
    changed_.notify_all();
    return std::make_unique<FakeTicket>(*this, job);
  }
  base::Result<std::vector<std::vector<float>>> embed(
      const std::vector<std::vector<engine::Token>>& inputs) override {
    std::vector<std::vector<float>> out;
    for (const auto& input : inputs) out.push_back({static_cast<float>(input.size()), 0.5f});
    return out;
  }
  base::Result<void> check_grammar(const engine::Sampling&) const override { return {}; }
  engine::Stats stats() const override {
    std::lock_guard lock(mutex_);
    return {.steps = 1, .running = static_cast<std::uint32_t>(jobs_.size()), .kv_used = 10, .kv_total = 100};
  }
  // Cancels what is left; afterwards no sink is called any more.
  void drain(base::Deadline) override {
    std::unique_lock lock(mutex_);
    for (const auto& job : jobs_) job->cancelled = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return jobs_.empty() && !calling_; });
  }

 private:
  struct Job {
    Play play;
    std::shared_ptr<engine::Sink> sink;
    int prompt_tokens = 0;
    bool cancelled = false;
  };
  class FakeTicket : public engine::Ticket {
   public:
    FakeTicket(FakeEngine& owner, std::shared_ptr<Job> job) : owner_(owner), job_(std::move(job)) {}
    ~FakeTicket() override { FakeTicket::cancel(); }
    void cancel() override {
      std::lock_guard lock(owner_.mutex_);
      job_->cancelled = true;
      owner_.changed_.notify_all();
    }

   private:
    FakeEngine& owner_;
    std::shared_ptr<Job> job_;
  };

  // Round-robin, one token of each request at a time, like steps of a batch.
  void run() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      bool moved = false;
      const std::deque<std::shared_ptr<Job>> now = jobs_;
      for (const auto& job : now) moved = step(lock, job) || moved;
      if (!moved) changed_.wait(lock);
    }
  }

  bool step(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Job>& job) {
    const std::size_t at = progress_[job.get()];
    const bool ends = job->cancelled || at >= job->play.tokens.size();
    if (!ends && static_cast<int>(at) == job->play.hold) return false;
    if (ends && job->play.hold >= 0 && static_cast<int>(at) == job->play.hold && !job->cancelled)
      return false;
    if (ends) {
      std::erase(jobs_, job);
      progress_.erase(job.get());
      if (job->cancelled) ++cancelled_;
      changed_.notify_all();
    } else {
      ++progress_[job.get()];
    }
    calling_ = true;
    lock.unlock();
    if (ends)
      finish(*job, static_cast<int>(at));
    else
      token(*job, at);
    lock.lock();
    calling_ = false;
    changed_.notify_all();
    return true;
  }

  static void token(Job& job, std::size_t at) {
    const engine::Token token = job.play.tokens[at];
    const engine::TokenLogprob top[] = {{token, -0.25f}, {kEndToken, -3.0f}};
    job.sink->on_token({token, -0.25f, top});
  }

  static void finish(Job& job, int tokens) {
    engine::Usage usage;
    usage.prompt_tokens = job.prompt_tokens;
    usage.cached_tokens = 1;
    usage.completion_tokens = tokens;
    const auto reason = job.cancelled ? engine::FinishReason::cancelled : job.play.reason;
    job.sink->on_finish(reason, usage, job.play.error && !job.cancelled ? &*job.play.error : nullptr);
  }

  TinyModel model_;
  engine::Vocabulary vocabulary_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<engine::Request> requests_;  // guarded by mutex_, like everything below
  std::deque<std::shared_ptr<Job>> jobs_;
  std::map<const Job*, std::size_t> progress_;
  int cancelled_ = 0;
  bool calling_ = false;  // a sink, without the lock
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace slipway::worker::testing
