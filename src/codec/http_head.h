// A strict HTTP/1.1 head: one pass over the raw bytes, checked and taken apart at once.
//
// Everything two servers could read differently is refused (RFC 9112 allows refusing, smuggling needs
// leniency): CL with TE, repeated or list-valued CL, any TE but exactly "chunked", obs-fold, bare CR or LF,
// NUL or control bytes, white space before a colon, absolute-form with another Host, repeated or missing
// Host, header names with bytes outside tchar, in requests also an underscore, HTTP versions other than 1.1
// (1.0 is accepted without keep-alive and without TE). Views point into the caller's buffer. No allocation;
// at most kMaxHeaders headers. Pure; fuzzed against Boost.Beast.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace slipway::codec {

struct HttpHeader {
  std::string_view name;
  std::string_view value;  // without surrounding white space
};

enum class BodyFraming { none, length, chunked, until_close /* responses only */ };

struct HttpHead {
  static constexpr std::size_t kMaxHeaders = 64;
  // Requests.
  std::string_view method;
  std::string_view target;  // origin-form: path and query ("*" for OPTIONS)
  // Responses.
  int status = 0;

  std::array<HttpHeader, kMaxHeaders> headers;
  std::size_t header_count = 0;
  BodyFraming framing = BodyFraming::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expect_continue = false;
  bool http_1_0 = false;  // the sender does not know chunks
  std::size_t bytes = 0;  // length of the head with its final CRLFCRLF

  std::string_view path() const { return target.substr(0, target.find('?')); }
  // First header of that name, case-insensitive; nullopt when absent.
  std::optional<std::string_view> find(std::string_view name) const;
};

struct HttpHeadLimits {
  std::size_t max_bytes = 32 * 1024;
  std::size_t max_target = 8 * 1024;
};

// Fills `head` and returns true; false: more bytes are needed (and the limit is not reached), `head` then
// holds nothing of use. The error's code is bad_http or headers_too_large. Starts over on each call: a caller
// that gets a head in small pieces calls again only when a line feed came, so that the work stays linear.
base::Result<bool> parse_request_head(std::string_view bytes, HttpHead& head,
                                      const HttpHeadLimits& limits = {});
// A response to HEAD has no body whatever its head says: that is for the caller, who knows the request.
base::Result<bool> parse_response_head(std::string_view bytes, HttpHead& head,
                                       const HttpHeadLimits& limits = {});

// ASCII only, as header names and tokens are compared.
bool equal_ignoring_case(std::string_view a, std::string_view b);

// Incremental decoder of a chunked body. Extensions and trailers are refused; a chunk's size has at most 8
// hex digits.
class ChunkedDecoder {
 public:
  struct Step {
    std::size_t consumed = 0;  // bytes taken from the input
    std::string_view data;     // body bytes within the input, may be empty
    bool done = false;         // the last chunk and its CRLF were consumed
  };
  // Call again with the rest of the input until consumed == 0 or done.
  base::Result<Step> feed(std::string_view input);

 private:
  enum class State { size, size_lf, data, data_cr, data_lf, last_cr, last_lf, done };
  // One framing byte; nullptr, or what is wrong with it.
  const char* frame(char c);
  const char* size_byte(char c);

  State state_ = State::size;
  std::uint64_t left_ = 0;
  int digits_ = 0;
};

}  // namespace slipway::codec
