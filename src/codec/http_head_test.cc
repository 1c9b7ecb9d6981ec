#include "codec/http_head.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace slipway::codec {
namespace {

using base::ErrorCode;
using namespace std::string_literals;

std::string request(std::string_view headers, std::string_view line = "POST /v1/x?y=1 HTTP/1.1") {
  return std::string(line) + "\r\n" + std::string(headers) + "\r\n";
}

TEST(HttpHeadTest, ARequestIsTakenApart) {
  const std::string text =
      request("Host: a:80\r\nContent-Type:application/json\r\nX-Empty:\r\nContent-Length: \t12 \r\n") +
      "BODY";
  HttpHead head;
  ASSERT_TRUE(parse_request_head(text, head).value());
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/v1/x?y=1");
  EXPECT_EQ(head.path(), "/v1/x");
  EXPECT_EQ(head.header_count, 4u);
  EXPECT_EQ(head.find("CONTENT-TYPE"), "application/json");
  EXPECT_EQ(head.find("x-empty"), "");
  EXPECT_EQ(head.find("x-none"), std::nullopt);
  EXPECT_EQ(head.framing, BodyFraming::length);
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.bytes, text.size() - 4);
}

TEST(HttpHeadTest, EveryProperPrefixNeedsMoreBytes) {
  const std::string text =
      request("Host: a\r\nX-Long-Header-Name: with a value of some length\r\nConnection: close\r\n");
  HttpHead head;
  for (std::size_t n = 0; n < text.size(); ++n) {
    const auto done = parse_request_head(std::string_view(text).substr(0, n), head);
    ASSERT_TRUE(done) << n << done.error().message();
    EXPECT_FALSE(*done) << n;
  }
  EXPECT_TRUE(parse_request_head(text, head).value());
  EXPECT_FALSE(head.keep_alive);
}

TEST(HttpHeadTest, AReusedHeadForgetsThePreviousRequest) {
  HttpHead head;
  const std::string first =
      request("Host: a\r\nContent-Length: 7\r\nExpect: 100-continue\r\nConnection: close\r\n");
  const std::string second = request("Host: a\r\n");
  ASSERT_TRUE(parse_request_head(first, head).value());
  EXPECT_TRUE(head.expect_continue);
  ASSERT_TRUE(parse_request_head(second, head).value());
  EXPECT_EQ(head.framing, BodyFraming::none);
  EXPECT_EQ(head.content_length, 0u);
  EXPECT_FALSE(head.expect_continue);
  EXPECT_TRUE(head.keep_alive);
}

struct Refusal {
  std::string name;
  std::string text;
  ErrorCode code = ErrorCode::bad_http;
};

const std::vector<Refusal> kRefused = {
    {"length and chunked", request("Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
    {"length zero and chunked", request("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n")},
    {"two lengths", request("Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n")},
    {"two equal lengths", request("Host: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n")},
    {"a list of lengths", request("Host: a\r\nContent-Length: 5, 5\r\n")},
    {"an empty length", request("Host: a\r\nContent-Length:\r\n")},
    {"a signed length", request("Host: a\r\nContent-Length: +5\r\n")},
    {"a negative length", request("Host: a\r\nContent-Length: -1\r\n")},
    {"a hexadecimal length", request("Host: a\r\nContent-Length: 0x5\r\n")},
    {"a length that overflows", request("Host: a\r\nContent-Length: 18446744073709551617\r\n")},
    {"another coding", request("Host: a\r\nTransfer-Encoding: gzip\r\n")},
    {"chunked then gzip", request("Host: a\r\nTransfer-Encoding: chunked, gzip\r\n")},
    {"gzip then chunked", request("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n")},
    {"identity", request("Host: a\r\nTransfer-Encoding: identity\r\n")},
    {"chunked with a vertical tab", request("Host: a\r\nTransfer-Encoding: \vchunked\r\n")},
    {"two codings", request("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
    {"chunked in 1.0", request("Host: a\r\nTransfer-Encoding: chunked\r\n", "POST / HTTP/1.0")},
    {"a folded header", request("Host: a\r\nX-A: b\r\n c\r\n")},
    {"a fold by tab", request("Host: a\r\nX-A: b\r\n\tTransfer-Encoding: chunked\r\n")},
    {"a fold in front", request(" Host: a\r\n")},
    {"a bare line feed behind a header", request("Host: a\nX-A: b\r\n")},
    {"a bare line feed behind the line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
    {"a bare line feed at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"},
    {"a bare carriage return", request("Host: a\r\nX-A: b\rTransfer-Encoding: chunked\r\n")},
    {"a NUL in a value", request("Host: a\r\nX-A: b\0c\r\n"s)},
    {"a NUL far in a long value", request("Host: a\r\nX-A: 0123456789abcdef\0\r\n"s)},
    {"a DEL in a value", request("Host: a\r\nX-A: 0123456789\x7f"
                                 "bcdef\r\n")},
    {"an escape in a value", request("Host: a\r\nX-A: \x1b[31m\r\n")},
    {"a NUL in a name", request("Host: a\r\nX\0A: b\r\n"s)},
    {"a space before the colon", request("Host: a\r\nContent-Length : 5\r\n")},
    {"a tab before the colon", request("Host: a\r\nTransfer-Encoding\t: chunked\r\n")},
    {"a header without a colon", request("Host: a\r\nnonsense\r\n")},
    {"an empty name", request("Host: a\r\n: b\r\n")},
    {"an underscore", request("Host: a\r\nContent_Length: 5\r\n")},
    {"a byte over 127 in a name", request("Host: a\r\nX-\xc3\xa4: b\r\n")},
    {"no host", request("X-A: b\r\n")},
    {"two hosts", request("Host: a\r\nHost: a\r\n")},
    {"an empty host", request("Host: \r\n")},
    {"a list of hosts", request("Host: a, b\r\n")},
    {"user information in host", request("Host: u@a\r\n")},
    {"a path in host", request("Host: a/b\r\n")},
    {"absolute with another host", request("Host: a\r\n", "GET http://b/x HTTP/1.1")},
    {"absolute with another port", request("Host: a\r\n", "GET http://a:81/x HTTP/1.1")},
    {"absolute without a path", request("Host: a\r\n", "GET http://a HTTP/1.1")},
    {"another scheme", request("Host: a\r\n", "GET ftp://a/x HTTP/1.1")},
    {"authority form", request("Host: a:443\r\n", "CONNECT a:443 HTTP/1.1")},
    {"asterisk without OPTIONS", request("Host: a\r\n", "GET * HTTP/1.1")},
    {"a relative target", request("Host: a\r\n", "GET x HTTP/1.1")},
    {"a fragment", request("Host: a\r\n", "GET /x#y HTTP/1.1")},
    {"a byte over 127 in the target", request("Host: a\r\n", "GET /\xc3\xa4 HTTP/1.1")},
    {"two spaces before the target", request("Host: a\r\n", "GET  / HTTP/1.1")},
    {"two spaces before the version", request("Host: a\r\n", "GET /  HTTP/1.1")},
    {"a tab as separator", request("Host: a\r\n", "GET\t/ HTTP/1.1")},
    {"a space behind the version", request("Host: a\r\n", "GET / HTTP/1.1 ")},
    {"no version", request("Host: a\r\n", "GET /")},
    {"version 2", request("Host: a\r\n", "PRI * HTTP/2.0")},
    {"version 1.2", request("Host: a\r\n", "GET / HTTP/1.2")},
    {"version 1.10", request("Host: a\r\n", "GET / HTTP/1.10")},
    {"a lower-case version", request("Host: a\r\n", "GET / http/1.1")},
    {"a space in front", request("Host: a\r\n", " GET / HTTP/1.1")},
    {"an empty line in front", "\r\n" + request("Host: a\r\n")},
    {"a method that is no token", request("Host: a\r\n", "G(T / HTTP/1.1")},
    {"a long method", request("Host: a\r\n", std::string(100, 'A') + " / HTTP/1.1")},
    {"an unknown expectation", request("Host: a\r\nExpect: a-pony\r\n")},
    {"a connection value that is no list", request("Host: a\r\nConnection: \"close\"\r\n")},
    {"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s},
    {"a long target", request("Host: a\r\n", "GET /" + std::string(9000, 'x') + " HTTP/1.1"),
     ErrorCode::headers_too_large},
    {"a long head", request("Host: a\r\nX-A: " + std::string(40'000, 'x') + "\r\n"),
     ErrorCode::headers_too_large},
    {"an endless name", "GET / HTTP/1.1\r\n" + std::string(40'000, 'x'), ErrorCode::headers_too_large},
};

TEST(HttpHeadTest, WhatTwoServersCouldReadDifferentlyIsRefused) {
  HttpHead head;
  for (const Refusal& r : kRefused) {
    const auto result = parse_request_head(r.text, head);
    ASSERT_FALSE(result) << r.name;
    EXPECT_EQ(result.error().code(), r.code) << r.name << ": " << result.error().message();
  }
}

// Early refusal matters: a peer that speaks another protocol must not be waited for.
TEST(HttpHeadTest, ARefusalDoesNotWaitForTheEndOfTheHead) {
  HttpHead head;
  EXPECT_FALSE(parse_request_head("\x16", head));
  EXPECT_FALSE(parse_request_head("GET / HTTP/2", head));
  EXPECT_FALSE(parse_request_head("GET / HTTP/1.1\r\nHost: a\n", head));
}

TEST(HttpHeadTest, SixtyFourHeadersAreTakenAndOneMoreIsTooLarge) {
  std::string headers = "Host: a\r\n";
  for (std::size_t i = 1; i < HttpHead::kMaxHeaders; ++i) headers += "X-A: b\r\n";
  HttpHead head;
  const std::string text = request(headers);
  EXPECT_TRUE(parse_request_head(text, head).value());
  EXPECT_EQ(head.header_count, HttpHead::kMaxHeaders);
  EXPECT_EQ(parse_request_head(request(headers + "X-A: b\r\n"), head).error().code(),
            ErrorCode::headers_too_large);
}

TEST(HttpHeadTest, AnAbsoluteTargetOfTheSameHostBecomesItsPath) {
  HttpHead head;
  const std::string text = request("Host: Example:80\r\n", "GET HTTP://example:80/a?b HTTP/1.1");
  ASSERT_TRUE(parse_request_head(text, head).value());
  EXPECT_EQ(head.target, "/a?b");
}

TEST(HttpHeadTest, HttpTenClosesAndNeedsNoHost) {
  HttpHead head;
  ASSERT_TRUE(parse_request_head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", head).value());
  EXPECT_FALSE(head.keep_alive);
}

TEST(HttpHeadTest, CloseIsFoundInAConnectionList) {
  HttpHead head;
  ASSERT_TRUE(parse_request_head(request("Host: a\r\nConnection: TE , Close,\r\n"), head).value());
  EXPECT_FALSE(head.keep_alive);
}

TEST(HttpHeadTest, TextBeyondAsciiMayStandInValues) {
  HttpHead head;
  const std::string text = request("Host: a\r\nX-A: gr\xc3\xbc\xc3\x9f\x65 aus der Ferne\tda\r\n");
  ASSERT_TRUE(parse_request_head(text, head).value());
  EXPECT_EQ(head.find("x-a"), "gr\xc3\xbc\xc3\x9f\x65 aus der Ferne\tda");
}

struct ResponseCase {
  std::string text;
  BodyFraming framing;
  bool keep_alive;
};

TEST(HttpHeadTest, ResponsesAreFramedByStatusAndHeaders) {
  const std::vector<ResponseCase> cases = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", BodyFraming::length, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BodyFraming::none, true},
      {"HTTP/1.1 200 \r\ntransfer-encoding: Chunked\r\n\r\n", BodyFraming::chunked, true},
      {"HTTP/1.1 200 OK\r\n\r\n", BodyFraming::until_close, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", BodyFraming::length, false},
      {"HTTP/1.1 204 No Content\r\n\r\n", BodyFraming::none, true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", BodyFraming::none, true},
      {"HTTP/1.1 100 Continue\r\n\r\n", BodyFraming::none, true},
      {"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\nx_a: b\r\n\r\n",
       BodyFraming::length, false},
  };
  HttpHead head;
  for (const ResponseCase& c : cases) {
    const auto done = parse_response_head(c.text, head);
    ASSERT_TRUE(done && *done) << c.text;
    EXPECT_EQ(head.framing, c.framing) << c.text;
    EXPECT_EQ(head.keep_alive, c.keep_alive) << c.text;
  }
}

TEST(HttpHeadTest, GarbageResponsesAreRefused) {
  HttpHead head;
  for (const std::string_view text :
       {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 600 X\r\n\r\n",
        "HTTP/1.1 200OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 200 OK\n\n", "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n", "HTTP/1.1 204 N\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 100 C\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"})
    EXPECT_FALSE(parse_response_head(text, head)) << text;
}

// Decodes `text` in pieces of `piece` bytes; the error's message or "<body>|<bytes left>".
std::string decode(std::string_view text, std::size_t piece) {
  ChunkedDecoder decoder;
  std::string body;
  while (!text.empty()) {
    const auto step = decoder.feed(text.substr(0, piece));
    if (!step) return "refused";
    body += step->data;
    text.remove_prefix(step->consumed);
    if (step->done) return body + "|" + std::to_string(text.size());
    if (step->consumed == 0) return "stuck";
  }
  return body + "|open";
}

TEST(ChunkedDecoderTest, SplitsDoNotMatter) {
  const std::string_view text = "5\r\nhello\r\n00A\r\n, world 12\r\n0\r\n\r\nGET";
  for (std::size_t piece = 1; piece <= text.size(); ++piece)
    EXPECT_EQ(decode(text, piece).substr(0, 15), "hello, world 12") << piece;
  EXPECT_EQ(decode(text, text.size()), "hello, world 12|3");
  EXPECT_EQ(decode("5\r\nhel", 100), "hel|open");
}

TEST(ChunkedDecoderTest, AmbiguousFramingIsRefused) {
  for (const std::string_view text :
       {"\r\n", "g\r\n", "5;a=b\r\nhello\r\n0\r\n\r\n", "5 \r\nhello", " 5\r\nhello", "+5\r\nhello",
        "0x5\r\nhello", "5\nhello", "5\r\nhelloX\r\n", "5\r\nhello\n0\r\n\r\n", "000000005\r\nhello",
        "FFFFFFFFF\r\n", "0\r\nX-Trailer: a\r\n\r\n", "0\r\n\n", "0\n\n", "5\rhello"})
    EXPECT_EQ(decode(text, 100), "refused") << text;
}

}  // namespace
}  // namespace slipway::codec
