// Chunked framing as a byte machine: size CR LF data CR LF ... 0 CR LF CR LF. RFC 9112 §7.1.
#include <algorithm>

#include "codec/http_head.h"

namespace slipway::codec {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

const char* ChunkedDecoder::size_byte(char c) {
  constexpr int kMaxDigits = 8;
  if (c == '\r') {
    if (digits_ == 0) return "a chunk without a size";
    digits_ = 0;
    state_ = State::size_lf;
    return nullptr;
  }
  const int digit = hex_value(c);
  if (digit < 0) return "a chunk size that is not hexadecimal (extensions are not accepted)";
  if (++digits_ > kMaxDigits) return "a chunk size of more than 8 digits";
  left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
  return nullptr;
}

const char* ChunkedDecoder::frame(char c) {
  const auto step = [&](char wanted, State next) -> const char* {
    if (c != wanted) return "a chunk whose size or data is not followed by CR LF";
    state_ = next;
    return nullptr;
  };
  switch (state_) {
    case State::size:
      return size_byte(c);
    case State::size_lf:
      return step('\n', left_ == 0 ? State::last_cr : State::data);
    case State::data_cr:
      return step('\r', State::data_lf);
    case State::data_lf:
      return step('\n', State::size);
    case State::last_cr:
      return c == '\r' ? step('\r', State::last_lf) : "a trailer behind the last chunk";
    case State::last_lf:
      return step('\n', State::done);
    case State::data:
    case State::done:
      return nullptr;
  }
  return nullptr;
}

base::Result<ChunkedDecoder::Step> ChunkedDecoder::feed(std::string_view input) {
  Step step;
  while (step.consumed < input.size() && state_ != State::done) {
    if (state_ == State::data) {
      const std::size_t take = std::min<std::uint64_t>(left_, input.size() - step.consumed);
      step.data = input.substr(step.consumed, take);
      step.consumed += take;
      left_ -= take;
      if (left_ == 0) state_ = State::data_cr;
      break;
    }
    if (const char* why = frame(input[step.consumed]))
      return base::Error(base::ErrorCode::bad_http, std::string("the chunked body has ") + why);
    ++step.consumed;
  }
  step.done = state_ == State::done;
  return step;
}

}  // namespace slipway::codec
