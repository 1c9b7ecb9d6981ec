#include "cli/line_editor.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

constexpr const char* kUp = "\x1b[A";
constexpr const char* kDown = "\x1b[B";
constexpr const char* kLeft = "\x1b[D";

class LineEditorTest : public testing::Test {
 protected:
  LineEditorTest() { editor_.start("> "); }
  LineEditor::State type(std::string_view bytes) {
    LineEditor::State state = LineEditor::State::editing;
    for (const char byte : bytes) state = editor_.feed(byte);
    return state;
  }
  // Types a line to its end and begins the next.
  std::string line(std::string_view bytes) {
    EXPECT_EQ(type(bytes), LineEditor::State::editing);
    EXPECT_EQ(type("\r"), LineEditor::State::accepted);
    std::string out = editor_.take();
    editor_.start("> ");
    return out;
  }
  LineEditor editor_;
};

TEST_F(LineEditorTest, TypingAndMoving) {
  EXPECT_EQ(line(std::string("helo") + kLeft + "l"), "hello");
  EXPECT_EQ(line("world\x01hello \x05!"), "hello world!");
  EXPECT_EQ(line("one two\x17three"), "one three");
  EXPECT_EQ(line("gone\x15"
                 "kept"),
            "kept");
  EXPECT_EQ(line("abc\x01\x0b"), "");
  EXPECT_EQ(line("abx\x7f"
                 "c"),
            "abc");
  EXPECT_EQ(line("xabc\x01\x1b[3~"), "abc");
}

TEST_F(LineEditorTest, ACharacterIsEditedWhole) {
  EXPECT_EQ(line("na\u00efve\x7f\x7f\x7f"), "na");
  EXPECT_EQ(line(std::string("模型") + kLeft + "x"), "模x型");
}

TEST_F(LineEditorTest, HistoryIsWalkedAndTheDraftComesBack) {
  line("first");
  line("second");
  line("second");  // again: kept once
  EXPECT_EQ(line(std::string(kUp) + kUp), "first");
  EXPECT_EQ(line(std::string("draft") + kUp + kUp + kDown + kDown + kDown + "!"), "draft!");
}

TEST_F(LineEditorTest, CtrlDEndsOnAnEmptyLineOnly) {
  EXPECT_EQ(type("a\x01\x04"), LineEditor::State::editing);
  EXPECT_EQ(editor_.drawn(80), "\r\x1b[K> ");
  EXPECT_EQ(type("\x04"), LineEditor::State::ended);
}

TEST_F(LineEditorTest, ALongLineScrollsSoThatTheCursorShows) {
  type("abcdefghij");
  EXPECT_EQ(editor_.drawn(8), "\r\x1b[K> fghij");
  type("\x01");
  EXPECT_EQ(editor_.drawn(8), "\r\x1b[K> abcde\x1b[5D");
}

TEST_F(LineEditorTest, UnknownKeysAreDropped) {
  EXPECT_EQ(line("a\x1b[15~\x1b[1;5C\x1bOQ\x1bxb\x0c"), "ab");
}

TEST_F(LineEditorTest, ALineIsBounded) {
  type(std::string(LineEditor::kMaxLine + 100, 'x'));
  type("\r");
  EXPECT_EQ(editor_.take().size(), LineEditor::kMaxLine);
}

}  // namespace
}  // namespace slipway::cli
