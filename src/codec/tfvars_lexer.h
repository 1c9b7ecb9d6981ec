// Characters of a tfvars file, one at a time, with places and coded errors: the ground under codec/tfvars.
// Strings and heredocs are read here too, because their inside has rules of its own. Not thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/diagnostic.h"

namespace slipway::codec {

class TfLexer {
 public:
  explicit TfLexer(const Source& source) : source_(source), text_(source.text) {}

  bool done() const { return at_ >= text_.size(); }
  // The character here or `ahead` of it; '\0' beyond the end.
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  std::size_t offset() const { return at_; }
  Place place() const { return place_; }

  void advance(std::size_t n = 1);
  bool take(char c);
  // Skips spaces and comments; newlines too if asked. An unclosed /* is a syntax error.
  base::Result<void> skip(bool newlines);
  // True at a newline, the end, or a comment that runs to the end of the line.
  bool at_line_end() const;

  // An identifier; empty when there is none here.
  std::string_view identifier();
  // A "string" with its escapes resolved; here is the opening quote.
  base::Result<std::string> quoted();
  // A heredoc; here is its "<<".
  base::Result<std::string> heredoc();

  base::Error error(Place place, std::string message, std::size_t width = 1) const {
    return error_at(base::ErrorCode::syntax, source_, place, std::move(message), width);
  }

 private:
  base::Result<void> escape(std::string& out);
  base::Result<void> code_point(std::string& out, int digits);
  // A "${" or "%{" here is refused; "$${" and "%%{" give their short form. False: nothing special here.
  base::Result<bool> marker(std::string& out);
  std::string_view line();
  base::Result<std::string> unmark(std::string_view body, Place start) const;

  const Source& source_;
  std::string_view text_;
  std::size_t at_ = 0;
  Place place_{1, 1};
};

}  // namespace slipway::codec
