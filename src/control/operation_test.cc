#include "control/operation.h"

#include <gtest/gtest.h>

namespace slipway::control {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> words(const OperationPtr& operation, std::uint64_t from = 0) {
  io::Loop loop("test");
  std::vector<std::string> out;
  loop.spawn([](OperationPtr op, std::uint64_t seen, std::vector<std::string>& said) -> io::Task<> {
    for (;;) {
      const auto event = co_await Operation::next(op, seen);
      if (!event) co_return;
      said.push_back(event->name + " " + event->data);
    }
  }(operation, from, out));
  loop.context().poll();
  return out;
}

TEST(Operation, ALateWatcherGetsTheNotesAndTheLatestProgress) {
  auto op = std::make_shared<Operation>("deploy x");
  const base::MonotonicTime t{100s};
  op->note("one");
  op->progress({.phase = "download", .subject = "x", .done = 1, .total = 9, .unit = "bytes", .message = {}},
               t);
  op->progress({.phase = "download", .subject = "x", .done = 5, .total = 9, .unit = "bytes", .message = {}},
               t + 1s);
  op->finish({{"id", "x"}});
  const auto said = words(op);
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0], R"(note {"message":"one"})");
  EXPECT_NE(said[1].find("\"done\":5"), std::string::npos) << said[1];
  EXPECT_EQ(said[2], R"(result {"id":"x"})");
}

TEST(Operation, ProgressIsThinnedButItsEndIsNot) {
  auto op = std::make_shared<Operation>("x");
  const base::MonotonicTime t{100s};
  for (std::uint64_t i = 0; i <= 50; ++i)
    op->progress({.phase = "weights", .subject = "x", .done = i, .total = 50, .unit = "", .message = {}},
                 t + i * 1ms);
  op->fail(base::Error(base::ErrorCode::load_failed, "no"));
  const auto said = words(op);
  ASSERT_EQ(said.size(), 2u);
  EXPECT_NE(said[0].find("\"done\":50"), std::string::npos);
  EXPECT_NE(said[1].find("E4005"), std::string::npos);
  EXPECT_TRUE(op->over());
}

TEST(Operation, KeepsBoundedWordsHoweverMuchIsSaid) {
  auto op = std::make_shared<Operation>("x");
  const base::MonotonicTime t{100s};
  for (int i = 0; i < 5000; ++i) {
    op->note("note " + std::to_string(i));
    op->progress({.phase = "start", .subject = std::to_string(i), .unit = {}, .message = {}}, t);
  }
  op->finish({});
  EXPECT_LE(words(op).size(), Operation::kMaxNotes + Operation::kMaxProgress + 1);
}

TEST(Operation, TextThatIsNotUtf8DoesNotEndTheDaemon) {
  auto op = std::make_shared<Operation>("x");
  op->note("\xff\xfe");
  op->fail(base::Error(base::ErrorCode::internal, "\xc3"));
  EXPECT_EQ(words(op).size(), 2u);
}

}  // namespace
}  // namespace slipway::control
