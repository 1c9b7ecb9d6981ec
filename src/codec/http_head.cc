// The head is read once, left to right. Every byte class is one table lookup; header values are skipped eight
// bytes at a time (SWAR: a word without a byte below 0x20 and without 0x7f is all text). RFC 9110 §5, RFC
// 9112 §2-§7.
#include "codec/http_head.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace slipway::codec {
namespace {

enum : std::uint8_t { kToken = 1, kTarget = 2, kText = 4, kHost = 8 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t c = 0; c < 256; ++c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const char ch = static_cast<char>(c);
    if (alnum || (c && std::string_view("!#$%&'*+-.^_`|~").contains(ch))) classes[c] |= kToken;
    if (c > 0x20 && c < 0x7f && c != '#') classes[c] |= kTarget;
    if ((c >= 0x20 && c != 0x7f) || c == '\t') classes[c] |= kText;
    if (alnum || (c && std::string_view(".-_~:[]%").contains(ch))) classes[c] |= kHost;
  }
  return classes;
}
constexpr auto kClasses = make_classes();

bool is(char c, std::uint8_t what) {
  return kClasses[static_cast<std::uint8_t>(c)] & what;
}
bool all(std::string_view s, std::uint8_t what) {
  return std::ranges::all_of(s, [what](char c) { return is(c, what); });
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

const char* skip_text(const char* p, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
  while (end - p >= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    const std::uint64_t del = word ^ (kOnes * 0x7f);
    if ((((word - kOnes * 0x20) & ~word) | ((del - kOnes) & ~del)) & kHigh) break;
    p += 8;
  }
  while (p != end && is(*p, kText)) ++p;
  return p;
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

enum class Outcome { ok, more, bad };

class Parser {
 public:
  Parser(std::string_view bytes, HttpHead& head, const HttpHeadLimits& limits, bool request)
      : begin_(bytes.data()),
        p_(begin_),
        end_(begin_ + std::min(bytes.size(), limits.max_bytes)),
        head_(head),
        limits_(limits),
        full_(bytes.size() >= limits.max_bytes),
        request_(request) {}

  base::Result<bool> parse() {
    head_.header_count = 0;
    head_.content_length = 0;
    head_.keep_alive = true;
    head_.expect_continue = false;
    Outcome outcome = request_ ? request_line() : status_line();
    while (outcome == Outcome::ok && !ended_) outcome = header_line();
    if (outcome == Outcome::ok) outcome = request_ ? finish_request() : finish_response();
    if (outcome == Outcome::ok) head_.bytes = static_cast<std::size_t>(p_ - begin_);
    if (outcome == Outcome::more && full_) outcome = too_large("it has no end within the limit");
    if (outcome == Outcome::bad) return error();
    return outcome == Outcome::ok;
  }

 private:
  Outcome bad(const char* why) {
    why_ = why;
    return Outcome::bad;
  }
  Outcome too_large(const char* why) {
    too_large_ = true;
    return bad(why);
  }
  base::Error error() const {
    const std::string what = request_ ? "the request head" : "the response head";
    const auto offset = static_cast<std::size_t>(p_ - begin_);
    if (too_large_)
      return {base::ErrorCode::headers_too_large, what + " is too large: " + why_ + " (" +
                                                      std::to_string(limits_.max_bytes) + " bytes, target " +
                                                      std::to_string(limits_.max_target) + " bytes, " +
                                                      std::to_string(HttpHead::kMaxHeaders) + " headers)"};
    return {base::ErrorCode::bad_http, what + " is refused at byte " + std::to_string(offset) + ": " + why_};
  }

  // The run of bytes of one class; `p_` stops behind it.
  std::string_view run(std::uint8_t what) {
    const char* const from = p_;
    while (p_ != end_ && is(*p_, what)) ++p_;
    return {from, static_cast<std::size_t>(p_ - from)};
  }

  // Exactly this text; what has come so far is compared, so that garbage is refused at its first wrong byte.
  Outcome expect(std::string_view text, const char* why) {
    const std::size_t n = std::min(text.size(), static_cast<std::size_t>(end_ - p_));
    if (std::memcmp(p_, text.data(), n) != 0) return bad(why);
    p_ += n;
    return n == text.size() ? Outcome::ok : Outcome::more;
  }

  Outcome version() {
    if (const Outcome o = expect("HTTP/1.", "the version is not HTTP/1.1 or HTTP/1.0"); o != Outcome::ok)
      return o;
    if (p_ == end_) return Outcome::more;
    if (*p_ != '0' && *p_ != '1') return bad("the version is not HTTP/1.1 or HTTP/1.0");
    head_.http_1_0 = *p_++ == '0';
    if (head_.http_1_0) head_.keep_alive = false;
    return Outcome::ok;
  }

  Outcome request_line() {
    constexpr std::size_t kMaxMethod = 24;
    head_.method = run(kToken);
    if (head_.method.size() > kMaxMethod) return bad("the method is longer than 24 bytes");
    if (p_ == end_) return Outcome::more;
    if (head_.method.empty() || *p_++ != ' ')
      return bad("the request line does not start with a method and one space");
    head_.target = run(kTarget);
    if (head_.target.size() > limits_.max_target) return too_large("the target is longer than the limit");
    if (p_ == end_) return Outcome::more;
    if (head_.target.empty() || *p_++ != ' ')
      return bad("the target is empty or has a byte that a target cannot have");
    if (const Outcome o = version(); o != Outcome::ok) return o;
    return expect("\r\n", "the request line does not end in CR LF after the version");
  }

  Outcome status_line() {
    if (const Outcome o = version(); o != Outcome::ok) return o;
    if (const Outcome o = expect(" ", "no space behind the version"); o != Outcome::ok) return o;
    head_.status = 0;
    for (int i = 0; i < 3; ++i, ++p_) {
      if (p_ == end_) return Outcome::more;
      if (*p_ < '0' || *p_ > '9') return bad("the status is not three digits");
      head_.status = head_.status * 10 + (*p_ - '0');
    }
    if (head_.status < 100 || head_.status > 599) return bad("the status is not between 100 and 599");
    if (const Outcome o = expect(" ", "no space behind the status"); o != Outcome::ok) return o;
    p_ = skip_text(p_, end_);
    return expect("\r\n", "the status line has a control byte or does not end in CR LF");
  }

  Outcome header_line() {
    if (p_ == end_) return Outcome::more;
    if (*p_ == '\r') {
      ended_ = true;
      return expect("\r\n", "a bare carriage return");
    }
    if (*p_ == ' ' || *p_ == '\t') return bad("a folded header line");
    if (head_.header_count == HttpHead::kMaxHeaders) return too_large("it has too many headers");
    HttpHeader& header = head_.headers[head_.header_count];
    header.name = run(kToken);
    if (p_ == end_) return Outcome::more;
    if (*p_ != ':' || header.name.empty())
      return bad("a header name is empty, or a byte in it or behind it is not allowed");
    if (request_ && header.name.contains('_')) return bad("a header name has an underscore");
    const char* const from = ++p_;
    p_ = skip_text(p_, end_);
    header.value = trim({from, static_cast<std::size_t>(p_ - from)});
    if (const Outcome o = expect("\r\n", "a header value has a control byte or does not end in CR LF");
        o != Outcome::ok)
      return o;
    ++head_.header_count;
    return known(header);
  }

  // The headers that decide framing and connection; the length tells nearly all others apart at once.
  Outcome known(const HttpHeader& header) {
    switch (header.name.size()) {
      case 4:
        return equal_ignoring_case(header.name, "host") ? host(header.value) : Outcome::ok;
      case 6:
        return equal_ignoring_case(header.name, "expect") ? expectation(header.value) : Outcome::ok;
      case 10:
        return equal_ignoring_case(header.name, "connection") ? connection(header.value) : Outcome::ok;
      case 14:
        return equal_ignoring_case(header.name, "content-length") ? length(header.value) : Outcome::ok;
      case 17:
        return equal_ignoring_case(header.name, "transfer-encoding") ? coding(header.value) : Outcome::ok;
      default:
        return Outcome::ok;
    }
  }

  Outcome host(std::string_view value) {
    if (!request_) return Outcome::ok;
    if (host_.data()) return bad("a second Host header");
    if (value.empty() || !all(value, kHost))
      return bad("the Host header is not a host with an optional port");
    host_ = value;
    return Outcome::ok;
  }

  Outcome expectation(std::string_view value) {
    if (!request_) return Outcome::ok;
    if (!equal_ignoring_case(value, "100-continue")) return bad("an Expect header other than 100-continue");
    head_.expect_continue = !head_.http_1_0;
    return Outcome::ok;
  }

  Outcome connection(std::string_view value) {
    while (!value.empty()) {
      const std::size_t comma = value.find(',');
      const std::string_view token = trim(value.substr(0, comma));
      if (!all(token, kToken)) return bad("the Connection header is not a list of tokens");
      if (equal_ignoring_case(token, "close")) head_.keep_alive = false;
      value = comma == std::string_view::npos ? std::string_view{} : value.substr(comma + 1);
    }
    return Outcome::ok;
  }

  Outcome length(std::string_view value) {
    if (has_length_) return bad("a second Content-Length header");
    has_length_ = true;
    if (value.empty() || value.size() > 18)
      return bad("the Content-Length is not a number of 1 to 18 digits");
    for (const char c : value) {
      if (c < '0' || c > '9') return bad("the Content-Length is not a number of 1 to 18 digits");
      head_.content_length = head_.content_length * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return Outcome::ok;
  }

  Outcome coding(std::string_view value) {
    if (chunked_) return bad("a second Transfer-Encoding header");
    if (!equal_ignoring_case(value, "chunked")) return bad("a Transfer-Encoding other than chunked");
    if (head_.http_1_0) return bad("a Transfer-Encoding in HTTP/1.0");
    chunked_ = true;
    return Outcome::ok;
  }

  void frame(BodyFraming otherwise) {
    head_.framing = chunked_ ? BodyFraming::chunked : has_length_ ? BodyFraming::length : otherwise;
    if (head_.framing == BodyFraming::length && head_.content_length == 0) head_.framing = BodyFraming::none;
  }

  Outcome finish_request() {
    if (chunked_ && has_length_) return bad("Content-Length together with Transfer-Encoding");
    if (!host_.data() && !head_.http_1_0) return bad("no Host header");
    frame(BodyFraming::none);
    return origin_form();
  }

  // An absolute-form target must name the Host; it is cut down to its path.
  Outcome origin_form() {
    std::string_view& target = head_.target;
    if (target.front() == '/') return Outcome::ok;
    if (target == "*") return head_.method == "OPTIONS" ? Outcome::ok : bad("the target * without OPTIONS");
    const std::size_t scheme = equal_ignoring_case(target.substr(0, 7), "http://")    ? 7
                               : equal_ignoring_case(target.substr(0, 8), "https://") ? 8
                                                                                      : 0;
    if (scheme == 0) return bad("the target is not a path");
    const std::size_t slash = target.find('/', scheme);
    if (slash == std::string_view::npos) return bad("an absolute target without a path");
    if (!host_.data() || !equal_ignoring_case(target.substr(scheme, slash - scheme), host_))
      return bad("an absolute target that names another host than the Host header");
    target.remove_prefix(slash);
    return Outcome::ok;
  }

  Outcome finish_response() {
    if (chunked_ && has_length_) return bad("Content-Length together with Transfer-Encoding");
    const int status = head_.status;
    if (status < 200 || status == 204) {
      if (chunked_ || head_.content_length != 0) return bad("a body where this status cannot have one");
      head_.framing = BodyFraming::none;
    } else if (status == 304) {
      head_.framing = BodyFraming::none;
    } else {
      frame(BodyFraming::until_close);
    }
    if (head_.framing == BodyFraming::until_close) head_.keep_alive = false;
    return Outcome::ok;
  }

  const char* begin_;
  const char* p_;
  const char* end_;
  HttpHead& head_;
  const HttpHeadLimits& limits_;
  const bool full_;
  const bool request_;
  bool ended_ = false;
  bool has_length_ = false;
  bool chunked_ = false;
  bool too_large_ = false;
  std::string_view host_;
  const char* why_ = "";
};

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::ranges::equal(a, b, {}, lower, lower);
}

std::optional<std::string_view> HttpHead::find(std::string_view name) const {
  for (std::size_t i = 0; i < header_count; ++i)
    if (equal_ignoring_case(headers[i].name, name)) return headers[i].value;
  return std::nullopt;
}

base::Result<bool> parse_request_head(std::string_view bytes, HttpHead& head, const HttpHeadLimits& limits) {
  return Parser(bytes, head, limits, true).parse();
}

base::Result<bool> parse_response_head(std::string_view bytes, HttpHead& head, const HttpHeadLimits& limits) {
  return Parser(bytes, head, limits, false).parse();
}

}  // namespace slipway::codec
