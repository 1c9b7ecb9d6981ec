#include "cloud/side_by_side.h"

#include <gtest/gtest.h>

#include <latch>

namespace slipway::cloud {
namespace {

using base::Error, base::ErrorCode, base::Result;

TEST(SideBySide, TasksRunAtTheSameTime) {
  std::latch all_here(3);
  const Task meet = [&]() -> Result<void> {
    all_here.arrive_and_wait();  // never returns when one waits for another to end
    return {};
  };
  EXPECT_TRUE(side_by_side({meet, meet, meet}));
}

TEST(SideBySide, ReportsTheFirstFailureInTheirOrderAndDoesAllOfThem) {
  std::vector<int> ran(40);
  std::vector<Task> tasks;
  for (int& mark : ran)
    tasks.emplace_back([&mark, number = tasks.size()]() -> Result<void> {
      mark = 1;
      if (number == 7) return Error(ErrorCode::aws_failed, "seven");
      if (number == 30) return Error(ErrorCode::aws_failed, "thirty");
      return {};
    });
  const auto done = side_by_side(tasks);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(), "seven");
  EXPECT_EQ(ran, std::vector<int>(40, 1));
}

TEST(SideBySide, NoTasksAreNoFailure) {
  EXPECT_TRUE(side_by_side({}));
}

}  // namespace
}  // namespace slipway::cloud
