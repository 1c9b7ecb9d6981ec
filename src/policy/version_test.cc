#include "policy/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::policy {
namespace {

using base::ErrorCode;
using testing::ElementsAre, testing::HasSubstr;

domain::EksFacts facts() {
  return {.as_of = "2026-11-24",
          .versions = {{"1.35", "2026-01-27", "2027-03-27", "2028-03-27"},
                       {"1.34", "2025-10-02", "2026-12-02", "2027-12-02"},
                       {"1.31", "2024-09-26", "2025-11-26", "2026-11-26"}},
          .zones = {}};
}

TEST(Version, WithoutOneTheNewestInStandardSupportIsChosen) {
  const auto v = choose_version(facts(), {}, "2026-11-24", "default");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->version.version, "1.35");
  EXPECT_TRUE(v->chosen);
  EXPECT_EQ(choose_version(facts(), {}, "2025-12-01", "default")->version.version, "1.34");
}

TEST(Version, TheLastDayOfStandardSupportIsTheDayBeforeItsEnd) {
  const auto before = choose_version(facts(), "1.34", "2026-12-01", "f:1");
  EXPECT_EQ(before->support, Support::standard);
  EXPECT_EQ(before->days_left, 1);
  const auto after = choose_version(facts(), "1.34", "2026-12-02", "f:1");
  EXPECT_EQ(after->support, Support::extended);
  EXPECT_EQ(after->days_left, 0);
}

TEST(Version, OneWithoutSupportOrUnknownIsRefusedWithWhatThereIs) {
  const auto ended = choose_version(facts(), "1.31", "2026-11-26", "env.tfvars:3");
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), ErrorCode::version_unsupported);
  EXPECT_THAT(ended.error().message(),
              HasSubstr("has had no support on EKS since 2026-11-26 (env.tfvars:3)"));
  EXPECT_THAT(std::string(ended.error().next_step()), HasSubstr("one of 1.35, 1.34,"));
  EXPECT_EQ(choose_version(facts(), "1.99", "2026-11-24", "f").error().code(),
            ErrorCode::version_unsupported);
}

TEST(Version, RaisingGoesOneMinorVersionAtATimeAndNeverBack) {
  EXPECT_THAT(*upgrade_steps("1.33", "1.35"), ElementsAre("1.34", "1.35"));
  EXPECT_TRUE(upgrade_steps("1.35", "1.35")->empty());
  EXPECT_EQ(upgrade_steps("1.35", "1.34").error().code(), ErrorCode::version_unsupported);
}

TEST(Version, DaysAreCountedOverMonthsAndLeapYears) {
  EXPECT_EQ(days_between("2026-11-24", "2026-12-02"), 8);
  EXPECT_EQ(days_between("2028-02-28", "2028-03-01"), 2);
  EXPECT_FALSE(days_between("2026-02-30", "2026-03-01"));
  EXPECT_FALSE(days_between("today", "2026-03-01"));
}

}  // namespace
}  // namespace slipway::policy
