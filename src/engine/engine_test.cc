#include "engine/engine.h"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <fstream>
#include <thread>

#include "engine/engine_fixture.h"

namespace slipway::engine {
namespace {

using base::ErrorCode;

const std::array<std::string, 8> kQuestions = {
    "What is the capital of France?", "Name three colours.",   "How many legs has a spider?",
    "Write one line about the sea.",  "What is two plus two?", "Who wrote Romeo and Juliet?",
    "Say hello in Spanish.",          "What do bees make?",
};

class EngineLayouts : public EngineTest, public ::testing::WithParamInterface<domain::KvLayout> {};
INSTANTIATE_TEST_SUITE_P(Both, EngineLayouts,
                         ::testing::Values(domain::KvLayout::unified, domain::KvLayout::streams),
                         [](const auto& param) {
                           return param.param == domain::KvLayout::unified ? "Unified" : "Streams";
                         });

TEST_P(EngineLayouts, AnswersAreTheSameAloneAndInABatchOfEight) {
  load(small_plan(GetParam()));
  std::vector<std::shared_ptr<Collector>> alone;
  for (const std::string& q : kQuestions) {
    Request r = greedy(chat(q), 24);
    r.cache_prompt = false;
    alone.push_back(run(std::move(r)));
  }
  EXPECT_NE(text(alone[0]->tokens()).find("Paris"), std::string::npos) << text(alone[0]->tokens());
  std::vector<Running> together;
  for (const std::string& q : kQuestions) together.push_back(submit(greedy(chat(q), 24)));
  for (std::size_t i = 0; i < kQuestions.size(); ++i) {
    together[i].sink->wait();
    expect_same(*alone[i], *together[i].sink, kQuestions[i]);
  }
}

TEST_P(EngineLayouts, APrefixIsReusedAndChangesNothing) {
  load(small_plan(GetParam()));
  const std::string prefix = long_text(200);
  const auto first = run(greedy(prefix + chat(kQuestions[0]), 16));
  const auto again = run(greedy(prefix + chat(kQuestions[0]), 16));
  const auto other = run(greedy(prefix + chat(kQuestions[2]), 16));
  EXPECT_EQ(first->usage().cached_tokens, 0);
  EXPECT_EQ(again->usage().cached_tokens, again->usage().prompt_tokens - 1);
  EXPECT_GE(other->usage().cached_tokens, 200);
  expect_same(*first, *again, "the same prompt");
  Request fresh = greedy(prefix + chat(kQuestions[2]), 16);
  fresh.cache_prompt = false;
  const auto computed = run(std::move(fresh));
  EXPECT_EQ(computed->usage().cached_tokens, 0);
  expect_same(*computed, *other, "another ending");
}

TEST_P(EngineLayouts, ABurstComputesItsCommonPrefixOnce) {
  load(small_plan(GetParam()));
  const std::string prefix = long_text(300);
  const int prefix_tokens = static_cast<int>(tokens(prefix).size());
  std::vector<Running> burst;
  int all = 0;
  for (const std::string& q : kQuestions) {
    Request r = greedy(prefix + chat(q), 4);
    all += static_cast<int>(r.prompt.size());
    burst.push_back(submit(std::move(r)));
  }
  for (Running& r : burst) r.sink->wait();
  const Stats stats = engine_->stats();
  const int tails = all - 8 * prefix_tokens;
  EXPECT_LE(stats.prompt_tokens, static_cast<std::uint64_t>(prefix_tokens + tails + 8 * 4));
  for (std::size_t i = 0; i < burst.size(); ++i) {
    Request r = greedy(prefix + chat(kQuestions[i]), 4);
    r.cache_prompt = false;
    expect_same(*run(std::move(r)), *burst[i].sink, kQuestions[i]);
  }
}

TEST_P(EngineLayouts, AnotherSaltSeesNothing) {
  load(small_plan(GetParam()));
  const std::string prompt = long_text(200) + chat(kQuestions[0]);
  Request mine = greedy(prompt, 4);
  mine.cache_salt = "tenant-a";
  run(mine);
  Request theirs = greedy(prompt, 4);
  theirs.cache_salt = "tenant-b";
  EXPECT_EQ(run(theirs)->usage().cached_tokens, 0);
  EXPECT_GT(run(mine)->usage().cached_tokens, 0);
}

TEST_P(EngineLayouts, CancelFreesTheSequenceInTheMiddleOfAnAnswer) {
  load(small_plan(GetParam()));
  Request r = greedy(chat("Write a very long story."), 800);
  r.sampling.ignore_eos = true;
  Running running = submit(std::move(r));
  running.sink->wait_tokens(3);
  running.ticket.reset();
  running.sink->wait();
  EXPECT_EQ(running.sink->reason(), FinishReason::cancelled);
  EXPECT_LT(running.sink->tokens().size(), 800u);
  EXPECT_EQ(run(greedy(chat(kQuestions[0]), 2))->reason(), FinishReason::length);
  EXPECT_EQ(running.sink->finishes(), 1);
}

TEST_F(EngineTest, CancelBetweenTheChunksOfALongPrompt) {
  domain::LoadPlan plan = small_plan();
  plan.batch_tokens = 16;
  load(plan);
  Running decoding = submit([&] {
    Request r = greedy(chat("Count."), 400);
    r.sampling.ignore_eos = true;
    return r;
  }());
  decoding.sink->wait_tokens(1);
  Running prefilling = submit(greedy(long_text(600), 10));
  decoding.sink->wait_tokens(4);
  prefilling.ticket->cancel();
  prefilling.sink->wait();
  EXPECT_EQ(prefilling.sink->reason(), FinishReason::cancelled);
  EXPECT_TRUE(prefilling.sink->tokens().empty());
  decoding.ticket.reset();
  decoding.sink->wait();
}

TEST_F(EngineTest, WhatCannotFitIsRefusedWithTheCounts) {
  load(small_plan());
  const auto sink = std::make_shared<Collector>();
  const auto too_long = engine_->submit(greedy(long_text(1500), 1), sink);
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code(), ErrorCode::context_overflow);
  EXPECT_NE(too_long.error().message().find("1024"), std::string::npos) << too_long.error().message();
  const auto asks_too_much = engine_->submit(greedy("hi", 1024), sink);
  ASSERT_FALSE(asks_too_much);
  EXPECT_EQ(asks_too_much.error().param(), "max_tokens");
  const auto empty = engine_->submit(greedy("", 1), sink);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code(), ErrorCode::bad_request);
  Request odd = greedy("hi", 1);
  odd.prompt.push_back(1'000'000);
  EXPECT_EQ(engine_->submit(odd, sink).error().code(), ErrorCode::bad_request);
  EXPECT_EQ(sink->finishes(), 0);
}

TEST_F(EngineTest, AnAnswerWithoutALimitEndsAtTheContext) {
  domain::LoadPlan plan = small_plan();
  plan.context_tokens = 128;
  load(plan);
  Request r = greedy(chat("Go on."), 0);
  r.sampling.ignore_eos = true;
  const int prompt = static_cast<int>(r.prompt.size());
  const auto answer = run(std::move(r));
  EXPECT_EQ(answer->reason(), FinishReason::length);
  EXPECT_EQ(answer->usage().completion_tokens, 128 - prompt);
}

TEST_F(EngineTest, AFullQueueRefusesWithARetryTime) {
  domain::LoadPlan plan = small_plan();
  plan.parallel = 1;
  load(plan, 1);
  Request r = greedy(chat("Tell me more."), 500);
  r.sampling.ignore_eos = true;
  Running running = submit(r);
  Running waiting = submit(r);
  const auto refused = engine_->submit(r, std::make_shared<Collector>());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::queue_full);
  EXPECT_TRUE(refused.error().retry_after());
  waiting.ticket->cancel();
  waiting.sink->wait();
  EXPECT_EQ(waiting.sink->reason(), FinishReason::cancelled) << "a waiting request can be cancelled too";
  Running next = submit(r);
  next.ticket.reset();
  running.ticket.reset();
  next.sink->wait();
  running.sink->wait();
}

TEST_F(EngineTest, PreemptedRequestsGoOnAndSayTheSame) {
  domain::LoadPlan plan = small_plan();
  plan.context_tokens = 256;
  load(plan);
  std::vector<std::shared_ptr<Collector>> alone;
  const auto request = [&](std::size_t i) {
    Request r = greedy(long_text(30, static_cast<unsigned>(i) + 7) + chat(kQuestions[i]), 120);
    r.sampling.ignore_eos = true;
    r.cache_prompt = i % 2 == 0;
    return r;
  };
  for (std::size_t i = 0; i < 4; ++i) alone.push_back(run(request(i)));
  plan.kv_tokens = 256;  // four of them need about 700 cells
  load(plan);
  std::vector<Running> together;
  for (std::size_t i = 0; i < 4; ++i) together.push_back(submit(request(i)));
  for (std::size_t i = 0; i < 4; ++i) {
    together[i].sink->wait();
    EXPECT_EQ(together[i].sink->reason(), FinishReason::length) << together[i].sink->error();
    expect_same(*alone[i], *together[i].sink, "request " + std::to_string(i));
  }
  EXPECT_GT(engine_->stats().preemptions, 0u);
  EXPECT_EQ(together[0].sink->usage().preemptions, 0) << "the oldest is never pre-empted";
}

TEST_F(EngineTest, LogProbabilitiesAreALogSoftmax) {
  load(small_plan());
  Request r = greedy(chat("What is two plus two?"), 4);
  r.sampling.top_logprobs = engine_->vocabulary().size();
  const auto answer = run(std::move(r));
  ASSERT_FALSE(answer->tops().empty());
  for (std::size_t i = 0; i < answer->tops().size(); ++i) {
    double sum = 0;
    for (const TokenLogprob& t : answer->tops()[i]) sum += std::exp(double{t.logprob});
    EXPECT_NEAR(sum, 1.0, 1e-3);
    EXPECT_EQ(answer->tops()[i][0].token, answer->tokens()[i]);
    EXPECT_FLOAT_EQ(answer->tops()[i][0].logprob, answer->logprobs()[i]);
  }
}

TEST_F(EngineTest, TheSameSeedSaysTheSameAndAnotherDoesNot) {
  load(small_plan());
  const auto sampled = [&](std::uint32_t seed) {
    Request r = greedy(chat("Write a poem about rain."), 32);
    r.sampling.temperature = 1.2f;
    r.sampling.min_p = 0;
    r.sampling.seed = seed;
    r.cache_prompt = false;
    return run(std::move(r))->tokens();
  };
  EXPECT_EQ(sampled(7), sampled(7));
  EXPECT_NE(sampled(7), sampled(8));
}

TEST_F(EngineTest, BiasAndPenaltiesChangeTheAnswer) {
  load(small_plan());
  Request plain = greedy(chat("Say yes."), 12);
  const auto before = run(plain);
  Request biased = plain;
  biased.sampling.logit_bias = {{before->tokens()[0], -100.0f}};
  EXPECT_NE(run(biased)->tokens()[0], before->tokens()[0]);
  Request repeating = greedy("na na na na na na na na", 24);
  repeating.sampling.ignore_eos = true;
  const auto loop = run(repeating);
  Request penalised = repeating;
  penalised.sampling.frequency_penalty = 2.0f;
  EXPECT_NE(run(penalised)->tokens(), loop->tokens());
}

TEST_F(EngineTest, AGrammarIsEnforced) {
  load(small_plan());
  Request r = greedy(chat("Describe Paris as JSON."), 200);
  r.sampling.grammar = R"g(root ::= "{\"city\": \"" [A-Za-z ]{1,20} "\", \"rank\": " [0-9]{1,3} "}")g";
  r.sampling.temperature = 1.0f;
  const auto answer = run(std::move(r));
  const auto json = nlohmann::json::parse(text(answer->tokens()), nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << text(answer->tokens()) << answer->error();
  EXPECT_TRUE(json["city"].is_string());
  EXPECT_TRUE(json["rank"].is_number());
  EXPECT_EQ(answer->reason(), FinishReason::stop);
}

TEST_F(EngineTest, ALazyGrammarStartsAtItsTrigger) {
  load(small_plan());
  Request r = greedy("Repeat exactly: CALL(7)\nCALL(7)\nRepeat exactly: CALL(7)\n", 12);
  r.sampling.grammar = R"g(root ::= "CALL(" "999" ")")g";
  r.sampling.grammar_lazy = true;
  r.sampling.triggers = {{GrammarTrigger::Type::word, "CALL(", -1}};
  const auto answer = run(std::move(r));
  EXPECT_NE(text(answer->tokens()).find("CALL(999)"), std::string::npos) << text(answer->tokens());
}

TEST_F(EngineTest, ABrokenGrammarIsRefused) {
  load(small_plan());
  Sampling sampling;
  sampling.grammar = "root ::= (";
  const auto checked = engine_->check_grammar(sampling);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), ErrorCode::bad_schema);
  Request r = greedy("hi", 1);
  r.sampling = sampling;
  EXPECT_EQ(engine_->submit(r, std::make_shared<Collector>()).error().code(), ErrorCode::bad_schema);
  sampling.grammar = "root ::= \"a\"";
  EXPECT_TRUE(engine_->check_grammar(sampling));
}

TEST_F(EngineTest, ALoneRequestSharesNoStep) {
  auto page = std::make_unique<domain::CrashPage>();
  LoadHooks hooks;
  hooks.crash_page = page.get();
  load(small_plan(), 64, std::move(hooks));
  std::atomic<std::uint32_t> most{0};
  const auto watch = [&](int) { most = std::max<std::uint32_t>(most, page->count.load()); };
  Request suspect = greedy(chat(kQuestions[0]), 12);
  suspect.run_alone = true;
  suspect.fingerprint = 0xabc;
  Running before = submit(greedy(chat(kQuestions[1]), 12));
  Running lone = submit(suspect, [&](int n) {
    watch(n);
    EXPECT_EQ(page->fingerprints[0].load(), 0xabcu);
  });
  Running after = submit(greedy(chat(kQuestions[2]), 12));
  for (const Running* r : {&before, &lone, &after}) r->sink->wait();
  EXPECT_EQ(most.load(), 1u);
  engine_.reset();
  EXPECT_EQ(page->count.load(), 0u) << "between steps nobody is to blame";
  EXPECT_EQ(page->magic.load(), domain::CrashPage::kMagic);
}

TEST_F(EngineTest, DrainRefusesNewRequestsAndWaitsForTheOldOnes) {
  load(small_plan());
  Running running = submit(greedy(chat("Count to ten."), 30));
  running.sink->wait_tokens(1);
  engine_->drain(base::Deadline());
  EXPECT_EQ(running.sink->finishes(), 1);
  EXPECT_NE(running.sink->reason(), FinishReason::cancelled);
  EXPECT_EQ(engine_->submit(greedy("hi", 1), std::make_shared<Collector>()).error().code(),
            ErrorCode::draining);
}

TEST_F(EngineTest, DrainCancelsWhatIsLeftAtItsDeadline) {
  load(small_plan());
  Request r = greedy(chat("Write a very long story."), 900);
  r.sampling.ignore_eos = true;
  Running running = submit(std::move(r));
  running.sink->wait_tokens(1);
  engine_->drain(base::Deadline(base::monotonic_now()));
  EXPECT_EQ(running.sink->reason(), FinishReason::cancelled);
  EXPECT_EQ(engine_->stats().running + engine_->stats().waiting, 0u);
}

TEST_F(EngineTest, DestroyingTheEngineEndsItsRequestsAndTicketsOutliveIt) {
  load(small_plan());
  Request r = greedy(chat("Write a very long story."), 900);
  r.sampling.ignore_eos = true;
  Running running = submit(std::move(r));
  running.sink->wait_tokens(1);
  engine_.reset();
  EXPECT_EQ(running.sink->reason(), FinishReason::cancelled);
  running.ticket.reset();
}

TEST_F(EngineTest, EmbeddingsAreUnitVectorsAndAlikeForLikeTexts) {
  load(small_plan());
  const auto embedded =
      engine_->embed({tokens("The cat sat on the mat."), tokens("A cat is sitting on a mat."),
                      tokens("Quarterly revenue grew by nine percent.")});
  ASSERT_TRUE(embedded) << embedded.error().to_string();
  const auto dot = [&](std::size_t a, std::size_t b) {
    double sum = 0;
    for (std::size_t i = 0; i < (*embedded)[a].size(); ++i)
      sum += double{(*embedded)[a][i]} * (*embedded)[b][i];
    return sum;
  };
  EXPECT_NEAR(dot(0, 0), 1.0, 1e-4);
  EXPECT_GT(dot(0, 1), dot(0, 2));
  EXPECT_EQ(engine_->embed({{}}).error().code(), ErrorCode::bad_request);
}

TEST_F(EngineTest, BeatsAndFactsAndProgressAreReported) {
  std::atomic<int> beats{0};
  std::vector<std::string> phases;
  LoadHooks hooks;
  hooks.beat = [&] { beats.fetch_add(1, std::memory_order_relaxed); };
  hooks.progress = [&](const domain::WorkerProgress& p) {
    if (phases.empty() || phases.back() != p.phase) phases.push_back(p.phase);
  };
  load(small_plan(), 64, std::move(hooks));
  EXPECT_EQ(phases, (std::vector<std::string>{"weights", "context", "warmup"}));
  const int before = beats;
  run(greedy(chat(kQuestions[0]), 2));
  const domain::ReplicaFacts facts = engine_->facts();
  EXPECT_GT(beats, before + (facts.device == "CPU" ? 50 : 0)) << "at least one a graph node of the processor";
  EXPECT_EQ(facts.context_tokens, 1024);
  EXPECT_EQ(facts.kv_tokens, 4096);
  EXPECT_NE(facts.fingerprint.find("f16"), std::string::npos);
  EXPECT_GT(facts.resident_bytes, 50'000'000u);
}

TEST_F(EngineTest, APlanForTheProcessorStaysThereAndAnUnknownGpuIsRefused) {
  domain::LoadPlan plan = small_plan();
  plan.device = "cpu";
  load(plan);
  EXPECT_EQ(engine_->facts().device, "CPU");
  plan.device = "CUDA99";
  const auto refused = Engine::load(plan, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::load_failed);
  EXPECT_NE(refused.error().message().find("CUDA99"), std::string::npos);
}

TEST(EngineLoad, AFileThatIsNoModelFailsWithTheLoadersWords) {
  domain::LoadPlan plan;
  plan.path = ::testing::TempDir() + "no_model.gguf";
  std::ofstream(plan.path) << "this is not a model";
  LoadHooks hooks;
  hooks.log = [](LogLevel, std::string_view) {};
  const auto loaded = Engine::load(plan, hooks);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), ErrorCode::load_failed);
  EXPECT_FALSE(loaded.error().detail().empty());
  plan.path = "/nowhere/model.gguf";
  EXPECT_EQ(Engine::load(plan, {}).error().code(), ErrorCode::load_failed);
}

}  // namespace
}  // namespace slipway::engine
