// Whatever our parser accepts, Boost.Beast must read as the same message: method, target, status, headers in
// order, body framing and, for a chunked body, the same bytes. Beast is the lenient one; the other direction
// is not claimed. The first input byte chooses: odd = response, even = request.
#include <boost/beast/http.hpp>
#include <string>

#include "base/check.h"
#include "codec/http_head.h"

namespace http = boost::beast::http;
using namespace slipway;

namespace {

std::string_view view(boost::beast::string_view s) {
  return {s.data(), s.size()};
}

template <bool kRequest>
void compare_headers(const codec::HttpHead& head, const http::parser<kRequest, http::string_body>& oracle) {
  const auto& fields = oracle.get();
  SLIPWAY_CHECK(static_cast<std::size_t>(std::distance(fields.begin(), fields.end())) == head.header_count);
  for (std::size_t i = 0; i < head.header_count; ++i) {
    // Beast keeps equal names together, in their order: the k-th of ours is the k-th of theirs.
    std::size_t k = 0;
    for (std::size_t j = 0; j < i; ++j)
      k += codec::equal_ignoring_case(head.headers[j].name, head.headers[i].name);
    const auto same = fields.equal_range({head.headers[i].name.data(), head.headers[i].name.size()});
    SLIPWAY_CHECK(static_cast<std::size_t>(std::distance(same.first, same.second)) > k);
    SLIPWAY_CHECK(view(std::next(same.first, static_cast<std::ptrdiff_t>(k))->value()) ==
                  head.headers[i].value);
  }
  if (!oracle.keep_alive()) SLIPWAY_CHECK(!head.keep_alive);
}

// Ours: true with the body when the chunked body ends cleanly in `rest`.
bool decode(std::string_view rest, std::string& body) {
  codec::ChunkedDecoder decoder;
  while (true) {
    const auto step = decoder.feed(rest);
    if (!step) return false;
    body += step->data;
    rest.remove_prefix(step->consumed);
    if (step->done) return true;
    if (step->consumed == 0) return false;
  }
}

template <bool kRequest>
void compare_body(std::string_view input, const codec::HttpHead& head,
                  http::parser<kRequest, http::string_body>& oracle) {
  if (head.framing == codec::BodyFraming::none) {
    SLIPWAY_CHECK(oracle.is_done());
    return;
  }
  SLIPWAY_CHECK(oracle.chunked() == (head.framing == codec::BodyFraming::chunked));
  if (head.framing == codec::BodyFraming::length)
    SLIPWAY_CHECK(oracle.content_length() == head.content_length);
  if (head.framing == codec::BodyFraming::until_close) SLIPWAY_CHECK(oracle.need_eof());
  std::string body;
  if (head.framing != codec::BodyFraming::chunked || !decode(input.substr(head.bytes), body)) return;
  std::string_view rest = input.substr(head.bytes);
  boost::system::error_code error;
  while (!oracle.is_done()) {
    const std::size_t n = oracle.put(boost::asio::buffer(rest.data(), rest.size()), error);
    SLIPWAY_CHECK(!error && (n > 0 || oracle.is_done()));
    rest.remove_prefix(n);
  }
  SLIPWAY_CHECK(oracle.get().body() == body);
}

template <bool kRequest>
void compare(std::string_view input) {
  codec::HttpHead head;
  const auto ours =
      kRequest ? codec::parse_request_head(input, head) : codec::parse_response_head(input, head);
  if (!ours || !*ours) return;
  http::parser<kRequest, http::string_body> oracle;
  oracle.header_limit(1u << 20);
  oracle.body_limit(boost::none);
  boost::system::error_code error;
  const std::size_t used = oracle.put(boost::asio::buffer(input.data(), head.bytes), error);
  SLIPWAY_CHECK(!error && oracle.is_header_done() && used == head.bytes);
  if constexpr (kRequest) {
    SLIPWAY_CHECK(view(oracle.get().method_string()) == head.method);
    SLIPWAY_CHECK(view(oracle.get().target()).ends_with(head.target));
  } else {
    SLIPWAY_CHECK(oracle.get().result_int() == static_cast<unsigned>(head.status));
  }
  compare_headers<kRequest>(head, oracle);
  compare_body<kRequest>(input, head, oracle);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] & 1)
    compare<false>(input);
  else
    compare<true>(input);
  return 0;
}
