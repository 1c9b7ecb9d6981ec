// The text of one answer as its tokens arrive: whole UTF-8 characters only, and never a part of a stop
// string.
//
// A token may end inside a character, and a stop string may begin in one token and end three tokens later.
// What could still become either is held back: at most the longest stop string and three bytes. Bytes that
// are not UTF-8 pass through; the JSON writer replaces them. Pure; one owner.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace slipway::worker {

class AnswerText {
 public:
  // Empty stop strings are not allowed.
  explicit AnswerText(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Adds a token's bytes and appends to `out` what may be shown. True when a stop string is complete: what
  // stands before it was appended, the rest is dropped, and nothing may be added any more.
  bool add(std::string_view piece, std::string& out);
  // The answer ended otherwise: appends what was held back.
  void finish(std::string& out);

 private:
  std::size_t held_back() const;

  std::vector<std::string> stops_;
  std::string held_;
};

}  // namespace slipway::worker
