#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/published.h"
#include "base/result.h"
#include "base/rfc3339.h"
#include "base/rng.h"
#include "base/time.h"

namespace slipway::base {
namespace {

TEST(Errors, EveryRowHasATextANextStepAndSaneStatus) {
  for (const ErrorInfo& row : all_errors()) {
    EXPECT_FALSE(row.text.empty()) << row.symbol;
    EXPECT_FALSE(row.next_step.empty()) << row.symbol;
    EXPECT_GE(row.http_status, 400) << row.symbol;
    EXPECT_TRUE(std::set<int>({1, 2, 4, 5, 6, 7, 130}).contains(row.exit_code)) << row.symbol;
  }
}

TEST(Errors, AreFoundByNumberAndSymbol) {
  EXPECT_EQ(find_error("E5003")->code, ErrorCode::port_taken);
  EXPECT_EQ(find_error("5003")->code, ErrorCode::port_taken);
  EXPECT_EQ(find_error("port_taken")->code, ErrorCode::port_taken);
  EXPECT_EQ(find_error("E0"), nullptr);
  EXPECT_EQ(find_error(""), nullptr);
}

Result<int> half(int n) {
  if (n % 2) return Error(ErrorCode::bad_value, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  SLIPWAY_TRY(const int h, half(n));
  return half(h);
}

TEST(ResultTest, TryPassesTheErrorOn) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().code(), ErrorCode::bad_value);
}

TEST(ErrorTest, PrintsCodeMessageDetailAndNextStep) {
  const Error e =
      Error(ErrorCode::port_taken, "port 8000 is taken").with_detail("  by nginx").with_next("Stop it.");
  EXPECT_EQ(e.to_string(), "E5003 port 8000 is taken\n  by nginx\n  next: Stop it.");
}

TEST(Ids, UlidsSortByTimeAndDiffer) {
  const WallTime t0(std::chrono::milliseconds(1'700'000'000'000));
  const std::string a = make_ulid(t0);
  const std::string b = make_ulid(t0 + std::chrono::milliseconds(1));
  EXPECT_EQ(a.size(), 26u);
  EXPECT_LT(a.substr(0, 10), b.substr(0, 10));
  EXPECT_NE(make_ulid(t0), make_ulid(t0));
}

TEST(Ids, RandomBytesDifferSmallAndLarge) {
  for (const std::size_t size :
       {std::size_t{16}, std::size_t{127}, std::size_t{128}, std::size_t{129}, std::size_t{5000}}) {
    std::set<std::vector<std::uint8_t>> seen;
    for (int i = 0; i < 100; ++i) {
      std::vector<std::uint8_t> bytes(size);
      random_bytes(bytes);
      seen.insert(bytes);
    }
    EXPECT_EQ(seen.size(), 100u) << size;
  }
}

TEST(RngTest, SameSeedSameSequenceAndBoundsHold) {
  Rng a(7), b(7);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(a.next(), b.next());
    EXPECT_LT(a.below(10), 10u);
    b.below(10);
    const double u = a.unit();
    b.unit();
    EXPECT_TRUE(u >= 0 && u < 1);
  }
}

TEST(PublishedTest, ReadersSeeTheNewestValueAndKeepTheOldOneAlive) {
  Published<int> p(std::make_shared<const int>(1));
  Published<int>::Reader r(p);
  const auto old = r.share();
  p.publish(std::make_shared<const int>(2));
  EXPECT_EQ(*old, 1);
  EXPECT_EQ(r.get(), 2);
}

TEST(Human, DurationsAndBytes) {
  using namespace std::chrono_literals;
  EXPECT_EQ(human_duration(850ms), "850 ms");
  EXPECT_EQ(human_duration(4200ms), "4.2 s");
  EXPECT_EQ(human_duration(190s), "3 min 10 s");
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(93'400'000), "93.4 MB");
  EXPECT_EQ(to_rfc3339(WallTime(1ms)), "1970-01-01T00:00:00.001Z");
}

TEST(Time, ReadsTimesOfOtherProgramsAndNothingElse) {
  EXPECT_EQ(from_rfc3339("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(from_rfc3339("2026-11-24T06:55:01Z"), 1795503301);
  EXPECT_EQ(from_rfc3339("2026-11-24T06:55:01.123456Z"), 1795503301);
  EXPECT_EQ(from_rfc3339("2026-11-24T07:55:01+01:00"), 1795503301);
  EXPECT_EQ(from_rfc3339("2026-11-24T01:25:01.5-05:30"), 1795503301);
  for (const char* bad :
       {"", "Z", "2026-11-24", "2026-11-24T06:55:01", "2026-13-24T06:55:01Z", "2026-11-24T24:00:00Z",
        "2026-11-24 06:55:01Z", "2026-11-24T06:55:01.Z", "2026-11-24T06:55:01+1:00", "a026-11-24T06:55:01Z"})
    EXPECT_FALSE(from_rfc3339(bad)) << bad;
}

}  // namespace
}  // namespace slipway::base
