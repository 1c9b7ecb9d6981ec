// Where a verb's words go: stdout is data, stderr is progress, stdin answers questions.
//
// Ownership: main makes one StdConsole; tests make a MemoryConsole. Threads: one. Failure: output errors are
// dropped, as for every terminal program; a closed stdout ends the process by SIGPIPE.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/line_editor.h"

namespace slipway::cli {

struct TerminalFacts {
  bool in_tty = false;
  bool out_tty = false;
  bool err_tty = false;
  bool color_out = false;
  bool color_err = false;
  bool unicode = false;  // box and bar characters beyond ASCII are safe on stderr and stdout
  bool cursor = false;   // the terminal understands carriage return and erase: not TERM=dumb
  int width = 80;        // columns
  int height = 40;       // rows; what "one screen" means when stdout is no terminal
};

// The environment variables that shape output. Empty and unset are the same, except for the presence of
// NO_COLOR.
struct TerminalEnvironment {
  std::string term = {}, no_color = {}, clicolor_force = {}, columns = {}, lines = {}, locale = {};
};

// NO_COLOR wins over CLICOLOR_FORCE; CLICOLOR_FORCE (not "0") colours pipes; TERM=dumb has neither colour nor
// cursor.
TerminalFacts terminal_facts(TerminalFacts detected, const TerminalEnvironment& environment);

enum class Style { plain, bold, dim, red, green, yellow };

class Console {
 public:
  explicit Console(TerminalFacts facts) : facts_(facts) {}
  virtual ~Console() = default;
  virtual void out(std::string_view text) = 0;
  virtual void err(std::string_view text) = 0;
  // A line of stdin without its "\n", after `prompt` on stderr. nullopt: the input ended, or a signal came
  // (ask Interrupt which). On a terminal the line can be edited, and earlier lines recalled.
  virtual std::optional<std::string> read_line(std::string_view prompt) = 0;
  // The rest of stdin, up to `limit` bytes.
  virtual std::string read_all(std::size_t limit) = 0;
  // A line that is not shown while it is typed; only where stdin is a terminal. nullopt as for read_line.
  virtual std::optional<std::string> read_secret(std::string_view prompt) = 0;

  const TerminalFacts& facts() const { return facts_; }
  std::string paint_out(Style style, std::string_view text) const {
    return paint(facts_.color_out, style, text);
  }
  std::string paint_err(Style style, std::string_view text) const {
    return paint(facts_.color_err, style, text);
  }

 private:
  static std::string paint(bool enabled, Style style, std::string_view text);
  TerminalFacts facts_;
};

// The process's own streams, unbuffered on stderr and flushed after each piece on stdout.
class StdConsole final : public Console {
 public:
  StdConsole();
  void out(std::string_view text) override;
  void err(std::string_view text) override;
  std::optional<std::string> read_line(std::string_view prompt) override;
  std::string read_all(std::size_t limit) override;
  std::optional<std::string> read_secret(std::string_view prompt) override;

 private:
  std::optional<std::string> edit_line(std::string_view prompt);
  LineEditor editor_;
  std::string pending_;  // bytes read after the last line
};

}  // namespace slipway::cli
