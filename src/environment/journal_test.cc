#include "environment/journal.h"

#include <gtest/gtest.h>

#include "environment/step.h"
#include "store/test_folder.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;

class Silent final : public Watcher {
 public:
  void step(const std::string& title) override { steps.push_back(title); }
  void kept(const std::string& title) override { kept_ones.push_back(title); }
  void note(const std::string&) override {}
  void warn(const std::string&) override {}
  std::vector<std::string> steps, kept_ones;
};

class JournalTest : public testing::Test {
 protected:
  Journal open() { return Journal::open(folder_.path / "journal.db").value(); }
  store::TestFolder folder_;
  io::Patience patience_;
  Silent watcher_;
};

Step counted(int& runs, bool holds = true) {
  return {.id = "a",
          .title = "do a",
          .holds = [holds](const Json&) -> Result<bool> { return holds; },
          .run = [&runs]() -> Result<Json> {
            ++runs;
            return Json{{"n", runs}};
          }};
}

TEST_F(JournalTest, AStepIsRecordedBeforeAndAfter) {
  Journal journal = open();
  ASSERT_TRUE(journal.begin_run("up", {}));
  int runs = 0;
  ASSERT_TRUE(perform(journal, watcher_, patience_, counted(runs)));
  const auto records = journal.records(10).value();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].phase, "begin");
  EXPECT_EQ(records[1].phase, "done");
  EXPECT_EQ(records[1].evidence, (Json{{"n", 1}}));
}

TEST_F(JournalTest, ADoneStepThatHoldsIsSkipped) {
  Journal journal = open();
  ASSERT_TRUE(journal.begin_run("up", {}));
  int runs = 0;
  ASSERT_TRUE(perform(journal, watcher_, patience_, counted(runs)));
  ASSERT_TRUE(perform(journal, watcher_, patience_, counted(runs)));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(watcher_.kept_ones.size(), 1u);
  ASSERT_TRUE(perform(journal, watcher_, patience_, counted(runs, false)));
  EXPECT_EQ(runs, 2);
}

TEST_F(JournalTest, AStepThatOnlyBeganIsDoneAgain) {
  Journal journal = open();
  ASSERT_TRUE(journal.begin_run("up", {}));
  ASSERT_TRUE(journal.write("a", "do a", "begin", Json::object()));
  int runs = 0;
  ASSERT_TRUE(perform(journal, watcher_, patience_, counted(runs)));
  EXPECT_EQ(runs, 1);
}

TEST_F(JournalTest, AFailureIsRecordedWithItsCode) {
  Journal journal = open();
  ASSERT_TRUE(journal.begin_run("up", {}));
  const auto done =
      perform(journal, watcher_, patience_, {.id = "a", .title = "do a", .run = []() -> Result<Json> {
                                               return Error(ErrorCode::capacity, "none left");
                                             }});
  EXPECT_EQ(done.error().code(), ErrorCode::capacity);
  EXPECT_EQ(codec::text(journal.records(1).value().front().evidence, "code"), "E6014");
}

TEST_F(JournalTest, AFinishedTeardownEndsWhatWasDoneBefore) {
  Journal journal = open();
  ASSERT_TRUE(journal.begin_run("up", {}));
  ASSERT_TRUE(journal.write("a", "do a", "done", Json::object()));
  ASSERT_TRUE(journal.begin_run("down", {}));
  ASSERT_TRUE(journal.end_run("gone", {}));
  EXPECT_FALSE(journal.done("a").value());
}

TEST_F(JournalTest, AnotherVersionsStateIsRefusedBeforeAnythingIsWritten) {
  {
    Journal journal = open();
    auto database = store::Database::open(folder_.path / "journal.db").value();
    ASSERT_TRUE(database.execute("PRAGMA user_version = 99"));
  }
  EXPECT_EQ(Journal::open(folder_.path / "journal.db").error().code(), ErrorCode::state_newer);
}

TEST_F(JournalTest, AnInterruptStopsBeforeTheNextStep) {
  std::atomic<bool> raised = true;
  const io::Patience patience(&raised);
  Journal journal = open();
  int runs = 0;
  EXPECT_EQ(perform(journal, watcher_, patience, counted(runs)).error().code(), ErrorCode::interrupted);
  EXPECT_EQ(runs, 0);
}

}  // namespace
}  // namespace slipway::environment
