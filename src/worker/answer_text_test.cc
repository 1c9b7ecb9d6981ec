#include "worker/answer_text.h"

#include <gtest/gtest.h>

namespace slipway::worker {
namespace {

struct Shown {
  std::vector<std::string> shown;  // after each piece
  bool stopped = false;
};

Shown run(std::vector<std::string> stops, const std::vector<std::string>& pieces) {
  AnswerText text(std::move(stops));
  Shown out;
  for (const std::string& piece : pieces) {
    std::string shown;
    out.stopped = text.add(piece, shown);
    out.shown.push_back(shown);
    if (out.stopped) return out;
  }
  std::string rest;
  text.finish(rest);
  out.shown.push_back(rest);
  return out;
}

TEST(AnswerText, PlainPiecesPassAtOnce) {
  EXPECT_EQ(run({}, {"a", " b"}).shown, (std::vector<std::string>{"a", " b", ""}));
}

TEST(AnswerText, ACharacterIsNeverSplit) {
  EXPECT_EQ(run({}, {"x\xF0\x9F", "\x9A", "\xA2y"}).shown,
            (std::vector<std::string>{"x", "", "\xF0\x9F\x9A\xA2y", ""}));
}

TEST(AnswerText, BytesThatAreNoCharacterComeOutAtTheLatestAtTheEnd) {
  EXPECT_EQ(run({}, {"a\xF0\x9F"}).shown, (std::vector<std::string>{"a", "\xF0\x9F"}));
  EXPECT_EQ(run({}, {"\xFF", "\x80\x80\x80\x80"}).shown,
            (std::vector<std::string>{"\xFF", "\x80\x80\x80\x80", ""}));
}

TEST(AnswerText, AStopStringOverSeveralTokensIsNotShown) {
  const Shown got = run({"END"}, {"one E", "N", "D two"});
  EXPECT_TRUE(got.stopped);
  EXPECT_EQ(got.shown, (std::vector<std::string>{"one ", "", ""}));
}

TEST(AnswerText, APartOfAStopStringThatDoesNotBecomeOneIsShown) {
  const Shown got = run({"END"}, {"E", "N", "ter", "EN"});
  EXPECT_FALSE(got.stopped);
  EXPECT_EQ(got.shown, (std::vector<std::string>{"", "", "ENter", "", "EN"}));
}

TEST(AnswerText, TheEarliestStopStringWins) {
  const Shown got = run({"bc", "ab"}, {"xabc"});
  EXPECT_TRUE(got.stopped);
  EXPECT_EQ(got.shown, (std::vector<std::string>{"x"}));
}

TEST(AnswerText, AStopStringMayBeginInsideItsOwnPrefix) {
  const Shown got = run({"aab"}, {"a", "a", "a", "b"});
  EXPECT_TRUE(got.stopped);
  EXPECT_EQ(got.shown, (std::vector<std::string>{"", "", "a", ""}));
}

}  // namespace
}  // namespace slipway::worker
