#include "supervisor/quarantine.h"

#include <gtest/gtest.h>

namespace slipway::supervisor {
namespace {

using namespace std::chrono_literals;

TEST(Quarantine, OneStrikeRunsAloneTwoAreRefusedAndTimeForgives) {
  Quarantine q;
  const base::MonotonicTime t{1000s};
  EXPECT_TRUE(q.strike(std::vector<std::uint64_t>{1, 2}, t).empty());
  EXPECT_EQ(q.strikes(t).alone.size(), 2u);
  EXPECT_FALSE(q.refused(1));

  EXPECT_EQ(q.strike(std::vector<std::uint64_t>{2}, t + 1s), std::vector<std::uint64_t>{2});
  EXPECT_TRUE(q.refused(2));
  EXPECT_FALSE(q.refused(1));
  EXPECT_EQ(q.strikes(t + 1s).refuse, std::vector<std::uint64_t>{2});

  q.expire(t + 1s + policy::kQuarantine + 1s);
  EXPECT_FALSE(q.refused(2));
}

TEST(CrashPage, IsReadWithoutTrustingIt) {
  domain::CrashPage page{};
  EXPECT_TRUE(read_crash_page(page).empty()) << "the worker never wrote it";
  page.magic = domain::CrashPage::kMagic;
  page.count = 0xffffffff;
  page.fingerprints[3] = 7;
  page.fingerprints[200] = 7;
  page.fingerprints[255] = 9;
  EXPECT_EQ(read_crash_page(page), (std::vector<std::uint64_t>{7, 9})) << "one request, one strike";
}

}  // namespace
}  // namespace slipway::supervisor
