#include "engine/engine.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <thread>

#include "engine/batch_loop.h"
#include "engine/embedder.h"
#include "engine/inbox.h"
#include "engine/loaded_model.h"
#include "engine/sampler.h"
#include "engine/vocabulary.h"

namespace slipway::engine {
namespace {

using base::Error;
using base::ErrorCode;

std::uint64_t resident_bytes() {
  std::uint64_t pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    unsigned long long total = 0, resident = 0;
    if (std::fscanf(file, "%llu %llu", &total, &resident) == 2) pages = resident;
    std::fclose(file);
  }
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

class LoopTicket final : public Ticket {
 public:
  LoopTicket(std::shared_ptr<Inbox> inbox, std::shared_ptr<std::atomic<bool>> cancelled)
      : inbox_(std::move(inbox)), cancelled_(std::move(cancelled)) {}
  ~LoopTicket() override { LoopTicket::cancel(); }
  void cancel() override {
    if (!cancelled_->exchange(true, std::memory_order_release)) inbox_->wake();
  }

 private:
  std::shared_ptr<Inbox> inbox_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
};

class LlamaEngine final : public Engine {
 public:
  LlamaEngine(const domain::LoadPlan& plan, LoadedModel loaded, const LoadHooks& hooks, int max_queue,
              double load_seconds)
      : plan_(plan),
        loaded_(std::move(loaded)),
        vocabulary_(loaded_.model.get()),
        embedder_(loaded_, plan.task == domain::ModelTask::embedding),
        inbox_(std::make_shared<Inbox>(std::max(1, plan.parallel) + max_queue)),
        loop_(loaded_, plan_, vocabulary_, *inbox_, hooks),
        load_seconds_(load_seconds),
        thread_([this] { loop_.run(); }) {}

  ~LlamaEngine() override {
    inbox_->stop();
    thread_.join();
  }

  const Vocabulary& vocabulary() const override { return vocabulary_; }
  const domain::LoadPlan& plan() const override { return plan_; }

  domain::ReplicaFacts facts() const override {
    domain::ReplicaFacts facts;
    facts.fingerprint = fingerprint(plan_, loaded_);
    facts.context_tokens = loaded_.context_tokens;
    facts.kv_tokens = static_cast<int>(loop_.stats().kv_total);
    facts.parallel = std::max(1, plan_.parallel);
    facts.layout = plan_.layout;
    facts.device = loaded_.device;
    facts.resident_bytes = resident_bytes();
    facts.load_seconds = load_seconds_;
    return facts;
  }

  base::Result<std::unique_ptr<Ticket>> submit(Request request, std::shared_ptr<Sink> sink) override {
    SLIPWAY_RETURN_IF_ERROR(check(request));
    auto task = std::make_unique<Task>();
    task->submitted = base::monotonic_now();
    SLIPWAY_TRY(task->sampler, Sampler::make(vocabulary_, request.sampling, request.prompt));
    task->prompt_tokens = static_cast<int>(request.prompt.size());
    const int room = loaded_.context_tokens - task->prompt_tokens;
    task->max_tokens = request.max_tokens > 0 ? request.max_tokens : room;
    task->tokens = std::move(request.prompt);
    task->request = std::move(request);
    task->sink = std::move(sink);
    task->cancelled = std::make_shared<std::atomic<bool>>(false);
    auto ticket = std::make_unique<LoopTicket>(inbox_, task->cancelled);
    SLIPWAY_RETURN_IF_ERROR(accepted(inbox_->push(task)));
    return ticket;
  }

  base::Result<std::vector<std::vector<float>>> embed(
      const std::vector<std::vector<Token>>& inputs) override {
    std::vector<std::vector<float>> out;
    // One input a turn of the loop, so that decoding requests wait for one input at most.
    for (const std::vector<Token>& input : inputs) {
      SLIPWAY_RETURN_IF_ERROR(check_tokens(input, "input"));
      SLIPWAY_TRY(std::vector<float> embedding, embed_one(input));
      out.push_back(std::move(embedding));
    }
    return out;
  }

  base::Result<void> check_grammar(const Sampling& sampling) const override {
    if (auto sampler = Sampler::make(vocabulary_, sampling, {}); !sampler) return std::move(sampler).error();
    return {};
  }

  Stats stats() const override {
    Stats s = loop_.stats();
    // The loop publishes once a turn; the inbox knows at once.
    const auto outstanding = static_cast<std::uint32_t>(inbox_->outstanding());
    s.running = std::min(s.running, outstanding);
    s.waiting = outstanding - s.running;
    return s;
  }

  void drain(base::Deadline deadline) override {
    inbox_->refuse();
    if (inbox_->wait_until_empty(deadline)) return;
    inbox_->cancel_all();
    inbox_->wait_until_empty(base::Deadline());
  }

 private:
  base::Result<void> check_tokens(const std::vector<Token>& tokens, const char* field) const {
    if (tokens.empty()) return Error(ErrorCode::bad_request, "the prompt is empty").with_param(field);
    for (Token t : tokens)
      if (t < 0 || t >= vocabulary_.size())
        return Error(ErrorCode::bad_request,
                     fmt::format("token {} is outside the vocabulary of {} tokens", t, vocabulary_.size()))
            .with_param(field);
    return {};
  }

  base::Result<void> check(const Request& request) const {
    if (!loaded_.context)
      return Error(ErrorCode::unsupported, "this model makes embeddings, not text")
          .with_next("Use /v1/embeddings.");
    SLIPWAY_RETURN_IF_ERROR(check_tokens(request.prompt, "prompt"));
    const std::int64_t prompt = static_cast<std::int64_t>(request.prompt.size());
    const std::int64_t wanted = prompt + std::max(1, request.max_tokens);
    if (wanted > loaded_.context_tokens)
      return Error(
                 ErrorCode::context_overflow,
                 fmt::format(
                     "the prompt has {} tokens and {} were asked for; the context is {} tokens", prompt,
                     request.max_tokens > 0 ? fmt::format("{} more", request.max_tokens) : "at least 1 more",
                     loaded_.context_tokens))
          .with_param(prompt >= loaded_.context_tokens ? "messages" : "max_tokens");
    return {};
  }

  base::Result<void> accepted(Inbox::Push push) const {
    switch (push) {
      case Inbox::Push::ok:
        return {};
      case Inbox::Push::draining:
        return Error(ErrorCode::draining, "this replica takes no new requests");
      case Inbox::Push::full:
        break;
    }
    return Error(ErrorCode::queue_full,
                 fmt::format("{} requests are running or waiting", inbox_->outstanding()))
        .with_retry_after(std::chrono::seconds(1));
  }

  base::Result<std::vector<float>> embed_one(const std::vector<Token>& input) {
    std::promise<base::Result<std::vector<float>>> promise;
    SLIPWAY_RETURN_IF_ERROR(accepted(inbox_->push_job([&](bool stopped) {
      promise.set_value(stopped ? Error(ErrorCode::draining, "this replica is shutting down")
                                : embedder_.embed(input));
    })));
    return promise.get_future().get();
  }

  const domain::LoadPlan plan_;
  LoadedModel loaded_;
  Vocabulary vocabulary_;
  Embedder embedder_;
  std::shared_ptr<Inbox> inbox_;
  BatchLoop loop_;
  double load_seconds_;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace

base::Result<std::unique_ptr<Engine>> Engine::load(const domain::LoadPlan& plan, const LoadHooks& hooks,
                                                   int max_queue) {
  const base::MonotonicTime begin = base::monotonic_now();
  SLIPWAY_TRY(LoadedModel loaded, load_model(plan, hooks));
  const double seconds = base::seconds(base::monotonic_now() - begin);
  if (hooks.crash_page != nullptr) {
    hooks.crash_page->count.store(0, std::memory_order_relaxed);
    hooks.crash_page->magic.store(domain::CrashPage::kMagic, std::memory_order_release);
  }
  return std::unique_ptr<Engine>(
      std::make_unique<LlamaEngine>(plan, std::move(loaded), hooks, max_queue, seconds));
}

}  // namespace slipway::engine
