#include "supervisor/liveness.h"

#include <gtest/gtest.h>

namespace slipway::supervisor {
namespace {

using namespace std::chrono_literals;

class LivenessTest : public testing::Test {
 protected:
  // Looks once a second, as the supervisor does, for `duration`, with `each` before every look.
  template <class F>
  std::optional<std::string> watch(base::Duration duration, F each) {
    for (const auto end = now_ + duration; now_ < end;) {
      now_ += 1s;
      each();
      if (auto why = liveness_.check(now_)) return why;
    }
    return std::nullopt;
  }
  std::optional<std::string> watch(base::Duration duration) {
    return watch(duration, [] {});
  }
  void ready() { liveness_.heard(domain::WorkerReady{}, now_); }

  base::MonotonicTime now_{1000s};
  Liveness liveness_{{.silence = 10s, .start_silence = 60s, .standstill_factor = 30}, now_};
};

TEST_F(LivenessTest, SilenceOfAReadyWorkerIsFoundAfterTheLimitAndNotBefore) {
  ready();
  EXPECT_FALSE(watch(10s));
  EXPECT_TRUE(watch(1s));
}

TEST_F(LivenessTest, BeatsWithoutANewStepAreALongDecodeNotADeath) {
  ready();
  EXPECT_FALSE(
      watch(120s, [&] { liveness_.heard(domain::WorkerBeat{.steps = 7, .tokens = 9, .running = 2}, now_); }));
}

TEST_F(LivenessTest, AStandstillWithRequestsInHandIsFoundInTheEnd) {
  ready();
  const auto why = watch(400s, [&] { liveness_.heard(domain::WorkerBeat{.steps = 7, .running = 2}, now_); });
  ASSERT_TRUE(why);
  EXPECT_NE(why->find("2 requests running"), std::string::npos) << *why;
}

TEST_F(LivenessTest, AnIdleWorkerNeedsNoSteps) {
  ready();
  EXPECT_FALSE(watch(4000s, [&] { liveness_.heard(domain::WorkerBeat{.steps = 7}, now_); }));
}

TEST_F(LivenessTest, ASlowLoadIsAliveWhileItsProgressComes) {
  EXPECT_FALSE(
      watch(3600s, [&] { liveness_.heard(domain::WorkerProgress{"weights", 1, 2, "bytes"}, now_); }));
  EXPECT_FALSE(watch(59s));
  EXPECT_TRUE(watch(2s));
}

TEST_F(LivenessTest, TimeInWhichWeDidNotListenIsNotHeldAgainstTheWorker) {
  ready();
  EXPECT_FALSE(watch(1s));
  now_ += 3600s;  // the machine slept
  EXPECT_FALSE(liveness_.check(now_));
  EXPECT_FALSE(watch(9s));
  EXPECT_TRUE(watch(2s));
}

}  // namespace
}  // namespace slipway::supervisor
