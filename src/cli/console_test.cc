#include "cli/console.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

constexpr TerminalFacts kTerminal{.in_tty = true, .out_tty = true, .err_tty = true};

TEST(TerminalFacts, NoColorWinsOverForce) {
  const auto facts = terminal_facts(kTerminal, {.term = "xterm", .no_color = "1", .clicolor_force = "1"});
  EXPECT_FALSE(facts.color_out);
  EXPECT_FALSE(facts.color_err);
}

TEST(TerminalFacts, ForceColoursAPipe) {
  EXPECT_TRUE(terminal_facts({}, {.term = "xterm", .clicolor_force = "1"}).color_out);
  EXPECT_FALSE(terminal_facts({}, {.term = "xterm", .clicolor_force = "0"}).color_out);
  EXPECT_FALSE(terminal_facts({}, {.term = "xterm"}).color_out);
}

TEST(TerminalFacts, DumbTerminalHasNeitherColourNorCursor) {
  const auto facts = terminal_facts(kTerminal, {.term = "dumb", .locale = "C.UTF-8"});
  EXPECT_FALSE(facts.color_out);
  EXPECT_FALSE(facts.cursor);
  EXPECT_FALSE(facts.unicode);
}

TEST(TerminalFacts, WidthComesFromColumnsThenTheTerminalAndIsBounded) {
  TerminalFacts detected = kTerminal;
  detected.width = 120;
  EXPECT_EQ(terminal_facts(detected, {.term = "xterm"}).width, 120);
  EXPECT_EQ(terminal_facts(detected, {.term = "xterm", .columns = "72"}).width, 72);
  EXPECT_EQ(terminal_facts(detected, {.term = "xterm", .columns = "3"}).width, 40);
  EXPECT_EQ(terminal_facts(detected, {.term = "xterm", .columns = "wide"}).width, 120);
}

TEST(TerminalFacts, UnicodeFollowsTheLocale) {
  EXPECT_TRUE(terminal_facts(kTerminal, {.term = "xterm", .locale = "en_GB.UTF-8"}).unicode);
  EXPECT_FALSE(terminal_facts(kTerminal, {.term = "xterm", .locale = "C"}).unicode);
}

}  // namespace
}  // namespace slipway::cli
