#include "io/http_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace slipway::io {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return status < 400 ? "OK" : "Error";
  }
}

// The headers that frame a message are written here and nowhere else.
static bool is_ours(std::string_view name) {
  switch (name.size()) {
    case 10:
      return codec::equal_ignoring_case(name, "connection");
    case 14:
      return codec::equal_ignoring_case(name, "content-length");
    case 17:
      return codec::equal_ignoring_case(name, "transfer-encoding");
    default:
      return false;
  }
}

bool is_safe_header(const Header& header) {
  constexpr std::string_view kBad("\r\n\0", 3);
  const auto token = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !header.name.empty() && !is_ours(header.name) && std::ranges::all_of(header.name, token) &&
         header.value.find_first_of(kBad) == std::string_view::npos;
}

std::string_view DateLine::get() {
  const std::time_t now = std::time(nullptr);
  if (now != second_) {
    second_ = now;
    text_ = fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", fmt::gmtime(now));
  }
  return text_;
}

namespace {

void append_number(std::string& out, std::uint64_t n) {
  char text[20];
  out.append(text, std::to_chars(text, text + sizeof(text), n).ptr);
}

void append_header(std::string& out, const Header& header) {
  out.append(header.name).append(": ").append(header.value).append("\r\n");
}

}  // namespace

bool write_answer_head(std::string& out, int status, const Header* headers, std::size_t count,
                       const AnswerBody& body, std::string_view date_line) {
  out.assign("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status));
  out.append(" ").append(reason_phrase(status)).append("\r\n");
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_safe_header(headers[i])) return false;
    append_header(out, headers[i]);
  }
  if (body.length) {
    out.append("Content-Length: ");
    append_number(out, *body.length);
    out.append("\r\n");
  }
  if (body.chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (body.close) out.append("Connection: close\r\n");
  out.append(date_line).append("\r\n");
  return true;
}

bool write_request_head(std::string& out, const HttpRequest& request) {
  constexpr std::string_view kNotInTarget(" \r\n\t\0", 5);
  if (request.target.empty() || request.target.find_first_of(kNotInTarget) != std::string_view::npos)
    return false;
  if (!is_safe_header({request.method, ""}) || !is_safe_header({"Host", request.host})) return false;
  out.assign(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
  append_header(out, {"Host", request.host});
  for (const Header& header : request.headers) {
    if (!is_safe_header(header)) return false;
    append_header(out, header);
  }
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    out.append("Content-Length: ");
    append_number(out, request.body.size());
    out.append("\r\n");
  }
  out.append("\r\n");
  return true;
}

ChunkSize::ChunkSize(std::size_t bytes) {
  char* end = std::to_chars(text, text + 16, bytes, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  size = static_cast<std::size_t>(end - text);
}

}  // namespace slipway::io
