#include "cli/line_editor.h"

#include <algorithm>
#include <utility>

#include "cli/text.h"

namespace slipway::cli {
namespace {

constexpr char key(char letter) {
  return static_cast<char>(letter - '@');
}  // key('A') is Ctrl-A
constexpr char kEscape = '\x1b';
constexpr char kDelete = '\x7f';

bool continues(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

}  // namespace

void LineEditor::start(std::string prompt) {
  prompt_ = std::move(prompt);
  line_.clear();
  escape_.clear();
  cursor_ = 0;
  place_ = history_.size();
}

std::string LineEditor::take() {
  if (!line_.empty() && (history_.empty() || history_.back() != line_)) {
    history_.push_back(line_);
    if (history_.size() > kMaxHistory) history_.erase(history_.begin());
  }
  return std::exchange(line_, {});
}

LineEditor::State LineEditor::feed(char byte) {
  if (!escape_.empty()) return escape(byte);
  if (byte == kEscape) {
    escape_ = byte;
    return State::editing;
  }
  const auto code = static_cast<unsigned char>(byte);
  if (code < 0x20 || byte == kDelete) return control(byte);
  insert(byte);
  return State::editing;
}

LineEditor::State LineEditor::control(char byte) {
  switch (byte) {
    case '\r':
    case '\n':
      return State::accepted;
    case key('D'):
      if (line_.empty()) return State::ended;
      right();
      erase_back();
      break;
    case kDelete:
    case key('H'):
      erase_back();
      break;
    case key('A'):
      cursor_ = 0;
      break;
    case key('E'):
      cursor_ = line_.size();
      break;
    case key('B'):
      left();
      break;
    case key('F'):
      right();
      break;
    case key('P'):
      recall(-1);
      break;
    case key('N'):
      recall(1);
      break;
    case key('K'):
      line_.erase(cursor_);
      break;
    case key('U'):
      line_.erase(0, std::exchange(cursor_, 0));
      break;
    case key('W'):
      erase_word();
      break;
    case '\t':
      insert(' ');
      break;
    default:
      break;
  }
  return State::editing;
}

// ESC [ A, ESC O H, ESC [ 3 ~ and the like; what is not known is dropped.
LineEditor::State LineEditor::escape(char byte) {
  constexpr std::size_t kMaxSequence = 16;
  escape_ += byte;
  const bool introducer = escape_.size() == 2 && (byte == '[' || byte == 'O');
  const bool final_byte = escape_.size() > 2 ? byte >= '@' && byte <= '~' : !introducer;
  if (!final_byte && escape_.size() < kMaxSequence) return State::editing;
  const std::string sequence = std::exchange(escape_, {});
  if (byte == 'A') recall(-1);
  if (byte == 'B') recall(1);
  if (byte == 'C') right();
  if (byte == 'D') left();
  if (byte == 'H' || sequence == "\x1b[1~") cursor_ = 0;
  if (byte == 'F' || sequence == "\x1b[4~") cursor_ = line_.size();
  if (sequence == "\x1b[3~" && cursor_ < line_.size()) {
    right();
    erase_back();
  }
  return State::editing;
}

void LineEditor::insert(char byte) {
  if (line_.size() >= kMaxLine) return;
  line_.insert(cursor_++, 1, byte);
}

void LineEditor::left() {
  if (cursor_ > 0) --cursor_;
  while (cursor_ > 0 && continues(line_[cursor_])) --cursor_;
}

void LineEditor::right() {
  if (cursor_ < line_.size()) ++cursor_;
  while (cursor_ < line_.size() && continues(line_[cursor_])) ++cursor_;
}

void LineEditor::erase_back() {
  const std::size_t end = cursor_;
  left();
  line_.erase(cursor_, end - cursor_);
}

void LineEditor::erase_word() {
  const std::size_t end = cursor_;
  while (cursor_ > 0 && line_[cursor_ - 1] == ' ') --cursor_;
  while (cursor_ > 0 && line_[cursor_ - 1] != ' ') --cursor_;
  line_.erase(cursor_, end - cursor_);
}

void LineEditor::recall(std::ptrdiff_t step) {
  const auto next = static_cast<std::ptrdiff_t>(place_) + step;
  if (next < 0 || next > static_cast<std::ptrdiff_t>(history_.size())) return;
  if (place_ == history_.size()) draft_ = line_;
  place_ = static_cast<std::size_t>(next);
  line_ = place_ == history_.size() ? draft_ : history_[place_];
  cursor_ = line_.size();
}

std::string LineEditor::drawn(std::size_t columns) const {
  const std::size_t prompt = display_width(prompt_);
  const std::size_t room = columns > prompt + 2 ? columns - prompt - 1 : 1;
  // The shown part begins late enough for the cursor to be in it.
  std::size_t begin = 0;
  while (display_width(std::string_view(line_).substr(begin, cursor_ - begin)) > room) {
    do ++begin;
    while (begin < cursor_ && continues(line_[begin]));
  }
  std::size_t end = cursor_;
  while (end < line_.size()) {
    std::size_t next = end + 1;
    while (next < line_.size() && continues(line_[next])) ++next;
    if (display_width(std::string_view(line_).substr(begin, next - begin)) > room) break;
    end = next;
  }
  std::string out = "\r\x1b[K" + prompt_ + line_.substr(begin, end - begin);
  const std::size_t behind = display_width(std::string_view(line_).substr(cursor_, end - cursor_));
  if (behind > 0) out += "\x1b[" + std::to_string(behind) + "D";
  return out;
}

}  // namespace slipway::cli
