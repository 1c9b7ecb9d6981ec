#include "cli/console.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace slipway::cli {
namespace {

constexpr int kMinWidth = 40;
constexpr int kMaxWidth = 400;
constexpr std::size_t kMaxLine = 1u << 20;

std::string environment_value(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int number_or(std::string_view text, int otherwise) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 ? value : otherwise;
}

TerminalFacts detect() {
  TerminalFacts facts;
  facts.in_tty = isatty(STDIN_FILENO) == 1;
  facts.out_tty = isatty(STDOUT_FILENO) == 1;
  facts.err_tty = isatty(STDERR_FILENO) == 1;
  winsize size{};
  const int fd = facts.out_tty ? STDOUT_FILENO : STDERR_FILENO;
  if ((facts.out_tty || facts.err_tty) && ioctl(fd, TIOCGWINSZ, &size) == 0) {
    if (size.ws_col > 0) facts.width = size.ws_col;
    if (size.ws_row > 0) facts.height = size.ws_row;
  }
  return facts;
}

TerminalEnvironment environment() {
  TerminalEnvironment e;
  e.term = environment_value("TERM");
  e.no_color = environment_value("NO_COLOR");
  e.clicolor_force = environment_value("CLICOLOR_FORCE");
  e.columns = environment_value("COLUMNS");
  e.lines = environment_value("LINES");
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    e.locale = environment_value(name);
    if (!e.locale.empty()) break;
  }
  return e;
}

bool is_utf8(std::string locale) {
  std::ranges::transform(locale, locale.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// Keys arrive one by one and unechoed for this object's life; Ctrl-C still raises its signal.
class RawTerminal {
 public:
  RawTerminal() : changed_(tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | IEXTEN);
    raw.c_iflag &= ~static_cast<tcflag_t>(IXON);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (changed_) tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  }
  ~RawTerminal() {
    if (changed_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool changed_;
};

// Lines arrive whole and unechoed for this object's life.
class SilentTerminal {
 public:
  SilentTerminal() : changed_(tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= static_cast<tcflag_t>(ICANON);
    if (changed_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~SilentTerminal() {
    if (changed_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

 private:
  termios before_{};
  bool changed_;
};

std::string_view escape(Style style) {
  switch (style) {
    case Style::plain:
      return "";
    case Style::bold:
      return "\x1b[1m";
    case Style::dim:
      return "\x1b[2m";
    case Style::red:
      return "\x1b[1;31m";
    case Style::green:
      return "\x1b[32m";
    case Style::yellow:
      return "\x1b[33m";
  }
  return "";
}

}  // namespace

TerminalFacts terminal_facts(TerminalFacts detected, const TerminalEnvironment& e) {
  TerminalFacts facts = detected;
  const bool dumb = e.term.empty() || e.term == "dumb";
  const bool forced = !e.clicolor_force.empty() && e.clicolor_force != "0";
  const bool wanted = e.no_color.empty() && !dumb;
  facts.color_out = e.no_color.empty() && (forced || (wanted && detected.out_tty));
  facts.color_err = e.no_color.empty() && (forced || (wanted && detected.err_tty));
  facts.cursor = !dumb;
  facts.unicode = !dumb && is_utf8(e.locale);
  facts.width = std::clamp(number_or(e.columns, detected.width), kMinWidth, kMaxWidth);
  facts.height = std::max(8, number_or(e.lines, detected.height));
  return facts;
}

std::string Console::paint(bool enabled, Style style, std::string_view text) {
  if (!enabled || style == Style::plain) return std::string(text);
  return std::string(escape(style)).append(text).append("\x1b[0m");
}

StdConsole::StdConsole() : Console(terminal_facts(detect(), environment())) {}

void StdConsole::out(std::string_view text) {
  write_all(STDOUT_FILENO, text);
}
void StdConsole::err(std::string_view text) {
  write_all(STDERR_FILENO, text);
}

std::optional<std::string> StdConsole::read_line(std::string_view prompt) {
  if (facts().in_tty && facts().err_tty && facts().cursor) return edit_line(prompt);
  err(prompt);
  while (true) {
    if (const std::size_t end = pending_.find('\n'); end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    char buffer[4096];
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n <= 0 || pending_.size() > kMaxLine) {
      const bool ended_without_newline = n == 0 && !pending_.empty();
      std::string rest = std::exchange(pending_, {});
      if (ended_without_newline) return rest;
      return std::nullopt;
    }
    pending_.append(buffer, static_cast<std::size_t>(n));
  }
}

std::optional<std::string> StdConsole::edit_line(std::string_view prompt) {
  const RawTerminal raw;
  editor_.start(std::string(prompt));
  while (true) {
    err(editor_.drawn(static_cast<std::size_t>(facts().width)));
    char buffer[256];
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n <= 0) return std::nullopt;  // a signal, or the terminal is gone
    pending_.append(buffer, static_cast<std::size_t>(n));
    while (!pending_.empty()) {
      const LineEditor::State state = editor_.feed(pending_.front());
      pending_.erase(0, 1);
      if (state == LineEditor::State::ended) return std::nullopt;
      if (state != LineEditor::State::accepted) continue;
      err(editor_.drawn(static_cast<std::size_t>(facts().width)) + "\n");
      return editor_.take();
    }
  }
}

std::optional<std::string> StdConsole::read_secret(std::string_view prompt) {
  const SilentTerminal silent;
  err(prompt);
  std::string line;
  char c = 0;
  while (line.size() <= kMaxLine) {
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n <= 0) return std::nullopt;
    if (c == '\n') break;
    line += c;
  }
  err("\n");
  return line;
}

std::string StdConsole::read_all(std::size_t limit) {
  std::string text = std::exchange(pending_, {});
  char buffer[16384];
  while (text.size() < limit) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, std::min(sizeof buffer, limit - text.size()));
    if (n < 0 && errno == EINTR) break;
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

}  // namespace slipway::cli
