// One line typed on a terminal: bytes in, text and redraw sequences out. No IO of its own.
//
// Keys: arrows, Home, End, Delete, Backspace, Ctrl-A E B F P N K U W L, Enter, Ctrl-D (ends the input on an
// empty line). Up and down walk the history. Lines wider than the terminal scroll sideways. Text is UTF-8; a
// character is edited whole. Bounds: kMaxLine bytes a line, kMaxHistory lines. Threads: one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace slipway::cli {

class LineEditor {
 public:
  static constexpr std::size_t kMaxLine = 64 * 1024;
  static constexpr std::size_t kMaxHistory = 500;
  enum class State { editing, accepted, ended };

  // Begins a line behind `prompt`.
  void start(std::string prompt);
  // One byte from the terminal.
  State feed(char byte);
  // The accepted line; it joins the history when it is not empty and not the last one again.
  std::string take();
  // What to write so that the terminal shows the line as it stands.
  std::string drawn(std::size_t columns) const;

 private:
  State control(char byte);
  State escape(char byte);
  void insert(char byte);
  void erase_back();
  void erase_word();
  void left();
  void right();
  void recall(std::ptrdiff_t step);

  std::string prompt_, line_, draft_;  // draft_: the new line while the history is walked
  std::size_t cursor_ = 0;             // a byte offset at a character's start
  std::vector<std::string> history_;
  std::size_t place_ = 0;  // in the history; its size is the new line
  std::string escape_;     // bytes of an unfinished escape sequence
};

}  // namespace slipway::cli
