#include "store/logs.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include "store/log_files.h"
#include "store/test_folder.h"

namespace slipway::store {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr base::Duration kSoon = 30s;  // an upper bound for things that happen at once

std::string record(int n, std::string_view model = "m", std::string_view level = "info") {
  return fmt::format(R"({{"ts":"t","level":"{}","event":"e","msg":"{}","model":"{}"}})", level, n, model);
}

class Logs : public ::testing::Test {
 protected:
  std::unique_ptr<LogWriter> open(LogLimits limits = {}) { return *LogWriter::open(path_, limits); }
  std::vector<std::string> tail(std::size_t count, LogFilter filter = {}) {
    return *tail_logs(path_, filter, count);
  }
  TestFolder folder_;
  std::filesystem::path path_ = folder_.path / "logs";
};

TEST_F(Logs, TailGivesTheLastLinesOldestFirst) {
  auto writer = open();
  for (int i = 0; i < 5; ++i) writer->write(record(i) + "\n");
  writer->flush();
  EXPECT_THAT(tail(2), ElementsAre(record(3), record(4)));
  EXPECT_EQ(tail(100).size(), 5u);
  EXPECT_EQ(writer->counts().written, 5u);
}

TEST_F(Logs, AnAbsentFolderHasNoLines) {
  EXPECT_THAT(tail(10), IsEmpty());
}

TEST_F(Logs, AnotherWriterContinuesAndATornLineSpoilsNoOther) {
  open()->write(record(1) + "\n");
  folder_.write("logs/00000001.jsonl", record(1) + "\n{\"half");
  open()->write(record(2) + "\n");
  EXPECT_THAT(tail(3), ElementsAre(record(1), "{\"half", record(2)));
}

TEST_F(Logs, RotationKeepsTheNewestFilesAndNoLineIsSplit) {
  auto writer = open({.queue_bytes = 1u << 20, .file_bytes = 1000, .files = 3});
  for (int i = 0; i < 100; ++i) writer->write(record(i) + "\n");
  writer->flush();
  const auto numbers = log_numbers(path_);
  EXPECT_EQ(numbers.size(), 3u);
  for (const auto number : numbers) EXPECT_LE(std::filesystem::file_size(log_file(path_, number)), 1000u);
  const auto lines = tail(1000);
  EXPECT_LT(lines.size(), 100u);
  for (std::size_t i = 0; i < lines.size(); ++i)
    EXPECT_EQ(lines[i], record(static_cast<int>(100 - lines.size() + i)));
}

TEST_F(Logs, FiltersByFieldAndLevel) {
  auto writer = open();
  writer->write(record(1, "a") + "\n" + record(2, "b", "warn") + "\n" + record(3, "a", "error") +
                "\nno json\n");
  writer->flush();
  EXPECT_THAT(tail(9, {.model = "a", .replica = "", .event = "", .least_level = ""}),
              ElementsAre(record(1, "a"), record(3, "a", "error")));
  EXPECT_THAT(tail(9, {.model = "", .replica = "", .event = "", .least_level = "warn"}),
              ElementsAre(record(2, "b", "warn"), record(3, "a", "error")));
  EXPECT_THAT(tail(1, {.model = "a", .replica = "", .event = "e", .least_level = ""}),
              ElementsAre(record(3, "a", "error")));
  EXPECT_THAT(tail(9, {.model = "", .replica = "r", .event = "", .least_level = ""}), IsEmpty());
}

TEST_F(Logs, AFullQueueDropsTheOldestAndCountsThem) {
  auto writer = open({.queue_bytes = 4000, .file_bytes = 1u << 20, .files = 2});
  std::string batch;
  for (int i = 0; i < 40; ++i) batch += record(i) + "\n";
  std::uint64_t lines = 0;
  while (writer->counts().dropped_slow == 0) writer->write(batch), lines += 40;
  writer->write(record(99) + "\n");
  writer->flush();
  const LogCounts counts = writer->counts();
  EXPECT_EQ(counts.written + counts.dropped_slow, lines + 1);
  EXPECT_EQ(tail(1), std::vector{record(99)});
  EXPECT_THAT(tail(10, {.model = "", .replica = "", .event = "log_dropped", .least_level = ""}),
              ::testing::Not(IsEmpty()));
}

TEST_F(Logs, AFolderThatCannotBeWrittenCostsLinesAndNothingElse) {
  if (::geteuid() == 0) {
    // Root may write everywhere: a file where the folder should be has the same effect.
    auto writer = open();
    std::filesystem::remove_all(path_);
    folder_.write("logs", "in the way");
    writer->write(record(1) + "\n");
    writer->flush();
    EXPECT_EQ(writer->counts().dropped_disk, 1u);
    std::filesystem::remove(path_);
    std::filesystem::create_directory(path_);
    writer->write(record(2) + "\n");
    writer->flush();
    EXPECT_EQ(tail(1), std::vector{record(2)});
    EXPECT_THAT(tail(2).at(0), HasSubstr("\"records\":1"));
    return;
  }
  auto writer = open();
  std::filesystem::permissions(path_, std::filesystem::perms::none);
  writer->write(record(1) + "\n");
  writer->flush();
  EXPECT_EQ(writer->counts().dropped_disk, 1u);
  std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
}

TEST_F(Logs, AFullDiskCostsLinesAndLeavesNoTornOne) {
  std::filesystem::create_directories(path_);
  if (::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "NOT CHECKED: a full disk needs a tmpfs, and this user cannot mount one";
  {
    auto writer = open({.queue_bytes = 1u << 20, .file_bytes = 1u << 20, .files = 2});
    for (int i = 0; i < 2000; ++i) writer->write(record(i) + "\n");
    writer->flush();
    const LogCounts counts = writer->counts();
    EXPECT_GT(counts.dropped_disk, 0u);
    EXPECT_EQ(counts.written + counts.dropped_disk, 2000u);
    const auto lines = tail(5000);
    EXPECT_EQ(lines.size(), counts.written);
    EXPECT_EQ(lines.front(), record(0));
    for (const auto& line : lines) EXPECT_TRUE(line.ends_with('}')) << line;
  }
  ::umount2(path_.c_str(), MNT_DETACH);
}

TEST_F(Logs, AFollowerSeesEveryLineOnceAcrossRotation) {
  auto writer = open({.queue_bytes = 1u << 20, .file_bytes = 500, .files = 100});
  for (int i = 0; i < 10; ++i) writer->write(record(i) + "\n");
  writer->flush();
  auto follower = LogFollower::open(path_, {}, 3);
  ASSERT_TRUE(follower);
  std::vector<std::string> seen = *follower->poll();
  EXPECT_THAT(seen, ElementsAre(record(7), record(8), record(9)));
  std::thread writing([&] {
    for (int i = 10; i < 60; ++i) writer->write(record(i) + "\n");
  });
  while (seen.size() < 53) {
    const auto lines = follower->next(kSoon);
    ASSERT_TRUE(lines && !lines->empty());
    seen.insert(seen.end(), lines->begin(), lines->end());
  }
  writing.join();
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], record(static_cast<int>(i) + 7));
  EXPECT_THAT(*follower->poll(), IsEmpty());
}

TEST_F(Logs, AFollowerOfAnEmptyFolderGetsTheFirstLine) {
  auto writer = open();
  auto follower = LogFollower::open(path_, {}, 10);
  ASSERT_TRUE(follower);
  EXPECT_THAT(*follower->next(0s), IsEmpty());
  writer->write(record(1) + "\n");
  EXPECT_THAT(*follower->next(kSoon), ElementsAre(record(1)));
}

TEST_F(Logs, AFollowerWaitsForTheEndOfALine) {
  std::filesystem::create_directories(path_);
  auto follower = LogFollower::open(path_, {}, 10);
  ASSERT_TRUE(follower);
  folder_.write("logs/00000001.jsonl", "{\"half");
  EXPECT_THAT(*follower->poll(), IsEmpty());
  folder_.write("logs/00000001.jsonl", "{\"half\":1}\n");
  EXPECT_THAT(*follower->poll(), ElementsAre("{\"half\":1}"));
}

}  // namespace
}  // namespace slipway::store
