#include "policy/batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>

#include "base/rng.h"

namespace slipway::policy {
namespace {

constexpr BatchLimits kLimits{.parallel = 8, .batch_tokens = 100, .prefill_share = 0, .reserve_cells = 10};

bool holds(const std::vector<Chunk>& step, int id) {
  return std::ranges::find(step, id, &Chunk::id) != step.end();
}

TEST(ComposeStep, TakesDecodersFirstThenPromptsOldestFirstWithinTheBudget) {
  struct Case {
    const char* name;
    std::vector<Sequence> sequences;
    BatchLimits limits;
    std::vector<Chunk> want;
  };
  const BatchLimits shared{.parallel = 8, .batch_tokens = 100, .prefill_share = 20};
  const Case cases[] = {
      {"nobody", {}, kLimits, {}},
      {"one decoder", {{.id = 3}}, kLimits, {{3, 1}}},
      {"decoders come first", {{.id = 0, .prompt_left = 50}, {.id = 1}}, kLimits, {{1, 1}, {0, 50}}},
      {"a long prompt is cut", {{.id = 0, .prompt_left = 500}}, kLimits, {{0, 100}}},
      {"the second prompt gets the rest",
       {{.id = 0, .prompt_left = 70}, {.id = 1, .prompt_left = 70}},
       kLimits,
       {{0, 70}, {1, 30}}},
      {"a waiter is skipped",
       {{.id = 0, .prompt_left = 9}, {.id = 1, .prompt_left = 9, .waits_for = 0}},
       kLimits,
       {{0, 9}}},
      {"the share holds only while somebody decodes",
       {{.id = 0}, {.id = 1, .prompt_left = 90}},
       shared,
       {{0, 1}, {1, 20}}},
      {"and not otherwise", {{.id = 1, .prompt_left = 90}}, shared, {{1, 90}}},
      {"alone means alone",
       {{.id = 0}, {.id = 1, .prompt_left = 30, .alone = true}, {.id = 2}},
       kLimits,
       {{1, 30}}},
      {"a budget smaller than the parallelism still lets prompts advance",
       {{.id = 0}, {.id = 1}, {.id = 2, .prompt_left = 5}},
       {.parallel = 3, .batch_tokens = 1},
       {{0, 1}, {1, 1}, {2, 2}}},
  };
  for (const Case& c : cases) EXPECT_EQ(compose_step(c.sequences, c.limits), c.want) << c.name;
}

TEST(AdmitCount, CountsCellsInOrderAndNobodyOvertakes) {
  struct Case {
    const char* name;
    std::vector<Waiting> queue;
    int running;
    bool running_alone;
    std::int64_t free, evictable;
    int want;
  };
  const Case cases[] = {
      {"empty queue", {}, 0, false, 100, 0, 0},
      {"all fit", {{0, 10}, {1, 10}}, 0, false, 100, 0, 2},
      {"cached cells count", {{0, 10}, {1, 10}}, 1, false, 0, 60, 2},
      {"the reserve grows with the holders", {{0, 10}, {1, 10}}, 1, false, 0, 49, 1},
      {"a big one in front blocks the small one behind it", {{0, 500}, {1, 1}}, 1, false, 100, 0, 0},
      {"with nobody running the first starts", {{0, 500}, {1, 1}}, 0, false, 100, 0, 1},
      {"the parallelism is a bound", {{0, 0}, {1, 0}, {2, 0}}, 6, false, 1000, 0, 2},
      {"alone waits for an empty engine", {{0, 1, true}}, 1, false, 100, 0, 0},
      {"alone starts in an empty engine, and nobody with it", {{0, 1, true}, {1, 1}}, 0, false, 100, 0, 1},
      {"nobody joins one that is alone", {{0, 1}}, 1, true, 100, 0, 0},
      {"alone is not overtaken", {{0, 1}, {1, 1, true}, {2, 1}}, 0, false, 100, 0, 1},
  };
  for (const Case& c : cases)
    EXPECT_EQ(admit_count(c.queue, c.running, c.running_alone, c.free, c.evictable, kLimits), c.want)
        << c.name;
}

TEST(ChoosePreemption, TakesTheYoungestAndNeverTheOldest) {
  const std::vector<Running> running = {{.id = 4, .admitted = 1, .cells = 100},
                                        {.id = 7, .admitted = 3, .cells = 5},
                                        {.id = 2, .admitted = 2, .cells = 50}};
  EXPECT_EQ(choose_preemption(running, 0), std::vector<int>{});
  EXPECT_EQ(choose_preemption(running, 5), std::vector<int>{7});
  EXPECT_EQ(choose_preemption(running, 6), (std::vector<int>{7, 2}));
  EXPECT_EQ(choose_preemption(running, 1000), (std::vector<int>{7, 2}));
  EXPECT_EQ(choose_preemption(std::vector<Running>{{.id = 1, .cells = 9}}, 5), std::vector<int>{});
}

// A model of the engine's loop over these decisions: requests arrive, prefill, decode, are pre-empted and
// end.
struct World {
  struct Job {
    int id = 0, prompt = 0, answer = 0, done = 0, made = 0;
    std::uint64_t admitted = 0;
    int cells() const { return done; }
  };
  BatchLimits limits;
  std::int64_t total = 0;
  std::deque<Job> queue;
  std::vector<Job> running;
  std::uint64_t clock = 0;
  std::vector<int> finished;

  std::int64_t free() const {
    std::int64_t cells = total;
    for (const Job& j : running) cells -= j.cells();
    return cells;
  }
  std::int64_t committed() const {
    std::int64_t cells = 0;
    for (const Job& j : running) cells += std::max(0, j.prompt + j.made - j.done);
    return cells;
  }
  void admit() {
    std::vector<Waiting> waiting;
    for (const Job& j : queue) waiting.push_back({j.id, j.prompt + j.made});
    const int n =
        admit_count(waiting, static_cast<int>(running.size()), false, free() - committed(), 0, limits);
    for (int i = 0; i < n; ++i) {
      queue.front().admitted = ++clock;
      running.push_back(queue.front());
      queue.pop_front();
    }
  }
  std::vector<Chunk> compose() const {
    std::vector<Sequence> sequences;
    for (const Job& j : running) {
      const int pending = j.prompt + j.made - j.done;
      sequences.push_back({.id = j.id, .prompt_left = j.made > 0 && pending == 1 ? 0 : pending});
    }
    return compose_step(sequences, limits);
  }
  static std::int64_t size(const std::vector<Chunk>& step) {
    return std::accumulate(step.begin(), step.end(), std::int64_t{0},
                           [](std::int64_t n, const Chunk& c) { return n + c.tokens; });
  }
  void preempt(std::int64_t needed) {
    std::vector<Running> holders;
    for (const Job& j : running) holders.push_back({j.id, j.admitted, j.cells()});
    for (int id : choose_preemption(holders, needed)) {
      const auto it = std::ranges::find(running, id, &Job::id);
      it->done = 0;
      queue.push_front(*it);
      running.erase(it);
    }
  }
  void step() {
    admit();
    std::vector<Chunk> next = compose();
    while (size(next) > free()) {
      const std::size_t before = running.size();
      preempt(size(next) - free());
      ASSERT_LT(running.size(), before) << "the oldest fits alone";
      next = compose();
    }
    ASSERT_LE(size(next), std::max(limits.batch_tokens, limits.parallel + 1));
    for (const Chunk& c : next) {
      Job& j = *std::ranges::find(running, c.id, &Job::id);
      j.done += c.tokens;
      if (j.done == j.prompt + j.made) ++j.made;
    }
    for (const Job& j : running)
      if (j.made >= j.answer) finished.push_back(j.id);
    std::erase_if(running, [](const Job& j) { return j.made >= j.answer; });
  }
};

TEST(BatchProperty, EveryRequestEndsInBoundedStepsWhateverTheArrivals) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    base::Rng rng(seed);
    World world;
    world.limits = {.parallel = 1 + static_cast<int>(rng.below(8)),
                    .batch_tokens = 1 + static_cast<int>(rng.below(64)),
                    .prefill_share = static_cast<int>(rng.below(32)),
                    .reserve_cells = static_cast<int>(rng.below(16))};
    world.total = 100 + static_cast<std::int64_t>(rng.below(200));
    const int jobs = 1 + static_cast<int>(rng.below(30));
    for (int i = 0; i < jobs; ++i) {
      const int answer = 1 + static_cast<int>(rng.below(40));
      world.queue.push_back({.id = i, .prompt = 1 + static_cast<int>(rng.below(60)), .answer = answer});
    }
    int steps = 0;
    constexpr int kMaxSteps = 40'000;
    while ((!world.queue.empty() || !world.running.empty()) && steps < kMaxSteps) {
      ++steps;
      ASSERT_NO_FATAL_FAILURE(world.step()) << "seed " << seed;
    }
    EXPECT_EQ(world.finished.size(), static_cast<std::size_t>(jobs)) << "seed " << seed << " after " << steps;
  }
}

TEST(BatchProperty, TheOldestRunningRequestMovesInEveryStep) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    base::Rng rng(seed);
    std::vector<Sequence> sequences;
    const int n = 1 + static_cast<int>(rng.below(16));
    for (int i = 0; i < n; ++i)
      sequences.push_back({.id = i, .prompt_left = static_cast<int>(rng.below(300))});
    const BatchLimits limits{.parallel = n,
                             .batch_tokens = static_cast<int>(rng.below(128)),
                             .prefill_share = static_cast<int>(rng.below(64))};
    const std::vector<Chunk> step = compose_step(sequences, limits);
    EXPECT_TRUE(holds(step, 0)) << "seed " << seed;
    for (const Sequence& s : sequences)
      EXPECT_TRUE(s.prompt_left > 0 || holds(step, s.id)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace slipway::policy
