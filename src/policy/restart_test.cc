#include "policy/restart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::policy {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const base::MonotonicTime kStart{};

struct CauseRow {
  WorkerEnd end;
  Cause cause;
  bool hopeless;
  const char* words;
};

WorkerEnd by_signal(int signal, bool ready = true) {
  WorkerEnd e;
  e.signal = signal;
  e.was_ready = ready;
  return e;
}
WorkerEnd failed(const char* code) {
  WorkerEnd e;
  e.status = 1;
  e.failed_code = code;
  e.failed_message = "words";
  return e;
}

TEST(Restart, CausesAreToldApart) {
  WorkerEnd asked = by_signal(15);
  asked.asked = true;
  WorkerEnd stuck = by_signal(9);
  stuck.stuck = true;
  WorkerEnd oom = by_signal(9);
  oom.oom_kills = 1;
  WorkerEnd alloc = by_signal(6, false);
  alloc.last_lines = {"loading", "ggml: Failed to allocate buffer of size 17"};
  WorkerEnd exited;
  exited.status = 3;
  const CauseRow rows[] = {
      {asked, Cause::asked, false, "as asked"},
      {stuck, Cause::no_progress, false, "no token progress"},
      {oom, Cause::out_of_memory, false, "lack of memory"},
      {alloc, Cause::out_of_memory, false, "before it was ready"},
      {by_signal(9), Cause::killed, false, "SIGKILL"},
      {by_signal(11), Cause::crash, false, "signal 11 (SIGSEGV) while it served requests"},
      {by_signal(31, false), Cause::crash, false, "SIGSYS"},
      {failed("E3005"), Cause::load_failed, true, "E3005 words"},
      {failed("E4005"), Cause::load_failed, false, "E4005 words"},
      {failed("E3006"), Cause::out_of_memory, true, "E3006 words"},
      {exited, Cause::exited, false, "status 3"},
  };
  for (const CauseRow& row : rows) {
    const CauseReport report = classify(row.end);
    EXPECT_EQ(report.cause, row.cause) << report.words;
    EXPECT_EQ(report.hopeless, row.hopeless) << report.words;
    EXPECT_THAT(report.words, HasSubstr(row.words));
  }
}

TEST(Restart, DelaysDoubleWithJitterUpToTheirLimit) {
  base::Rng rng(1);
  RestartHistory history;
  RestartLimits limits;
  limits.max_exits = 100;
  base::Duration full = limits.first_delay;
  for (int i = 0; i < 12; ++i) {
    const auto d = decide_restart(history, classify(by_signal(11)), 0s, kStart + i * 1s, rng, limits);
    ASSERT_TRUE(d.restart);
    EXPECT_GE(d.delay, full / 2);
    EXPECT_LE(d.delay, full);
    full = std::min(full * 2, limits.max_delay);
  }
}

TEST(Restart, ALongHealthyTimeStartsOver) {
  base::Rng rng(1);
  RestartHistory history;
  for (int i = 0; i < 4; ++i) (void)decide_restart(history, classify(by_signal(11)), 0s, kStart, rng);
  const auto d = decide_restart(history, classify(by_signal(11)), 1h, kStart + 1h, rng);
  EXPECT_LE(d.delay, RestartLimits{}.first_delay);
}

TEST(Restart, TooManyEndsInTheWindowAreACrashLoopAndOldOnesDoNotCount) {
  base::Rng rng(1);
  RestartHistory history;
  const RestartLimits limits;
  RestartDecision d;
  for (int i = 0; i <= limits.max_exits; ++i)
    d = decide_restart(history, classify(by_signal(11)), 0s, kStart + i * 1s, rng);
  EXPECT_TRUE(d.crash_loop);
  EXPECT_FALSE(d.restart);
  EXPECT_THAT(d.reason, HasSubstr("6 unasked ends within 10 min"));
  d = decide_restart(history, classify(by_signal(11)), 0s, kStart + 1h, rng);
  EXPECT_TRUE(d.restart);
  EXPECT_EQ(history.ends.size(), 1u);
}

TEST(Restart, AHopelessCauseIsNotTriedAgainAndAnAskedEndNeither) {
  base::Rng rng(1);
  RestartHistory history;
  EXPECT_TRUE(decide_restart(history, classify(failed("E3005")), 0s, kStart, rng).crash_loop);
  WorkerEnd asked = by_signal(15);
  asked.asked = true;
  const auto d = decide_restart(history, classify(asked), 0s, kStart, rng);
  EXPECT_FALSE(d.restart);
  EXPECT_FALSE(d.crash_loop);
}

TEST(Strikes, OneMeansAloneTwoMeansRefusedForTenMinutes) {
  StrikeBook book;
  const std::uint64_t batch[] = {7, 8, 0, 7};
  book.strike(batch, kStart);
  EXPECT_EQ(book.size(), 2u);
  EXPECT_EQ(book.judge(7, kStart + 1s), Verdict::run_alone);
  EXPECT_EQ(book.judge(9, kStart + 1s), Verdict::run);
  const std::uint64_t culprit[] = {7};
  book.strike(culprit, kStart + 2s);
  EXPECT_EQ(book.judge(7, kStart + 3s), Verdict::refuse);
  EXPECT_EQ(book.refused_for(7, kStart + 3s), kQuarantine - 1s);
  EXPECT_EQ(book.judge(7, kStart + 2s + kQuarantine), Verdict::run);
  EXPECT_EQ(book.refused_for(8, kStart + 3s), 0s);
}

TEST(Strikes, AGoodEndTakesTheFirstStrikeBackButNotTheSecond) {
  StrikeBook book;
  const std::uint64_t one[] = {7};
  book.strike(one, kStart);
  book.absolve(7);
  EXPECT_EQ(book.judge(7, kStart), Verdict::run);
  book.strike(one, kStart);
  book.strike(one, kStart);
  book.absolve(7);
  EXPECT_EQ(book.judge(7, kStart), Verdict::refuse);
}

TEST(Strikes, TheBookIsBoundedAndForgetsTheOldest) {
  StrikeBook book;
  for (std::uint64_t i = 1; i <= kMaxStrikes + 10; ++i) book.strike(std::span(&i, 1), kStart);
  EXPECT_EQ(book.size(), kMaxStrikes);
  EXPECT_EQ(book.judge(1, kStart), Verdict::run);
  EXPECT_EQ(book.judge(kMaxStrikes + 10, kStart), Verdict::run_alone);
}

}  // namespace
}  // namespace slipway::policy
