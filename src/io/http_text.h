// Writing heads: nothing that was received is copied into one, except header values the caller names, which
// are checked.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "io/http.h"

namespace slipway::io {

std::string_view reason_phrase(int status);
// No CR, LF or NUL in the value; the name is letters, digits, '-' and '_', and not one of those that frame a
// message.
bool is_safe_header(const Header& header);

// "Date: ...\r\n", made once a second.
class DateLine {
 public:
  std::string_view get();

 private:
  std::time_t second_ = 0;
  std::string text_;
};

// How the body of an answer is framed.
struct AnswerBody {
  std::optional<std::size_t> length{};  // Content-Length
  bool chunked = false;
  bool close = false;
};
// Replaces `out` by the head. False: a header is not safe.
bool write_answer_head(std::string& out, int status, const Header* headers, std::size_t count,
                       const AnswerBody& body, std::string_view date_line);
bool write_request_head(std::string& out, const HttpRequest& request);

// "1f4\r\n" for a chunk of 500 bytes.
struct ChunkSize {
  explicit ChunkSize(std::size_t bytes);
  char text[18];
  std::size_t size;
};

}  // namespace slipway::io
