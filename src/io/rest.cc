#include "io/rest.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>

#include "codec/http_head.h"
#include "io/http.h"

namespace slipway::io {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr long kConnectSeconds = 10;
// A peer that is gone without a word is noticed after kIdle + kProbes * kBetween seconds at the latest.
constexpr int kIdleSeconds = 10, kBetweenSeconds = 5, kProbes = 3;
constexpr int kGoneMilliseconds = 1000 * (kIdleSeconds + kProbes * kBetweenSeconds);

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

struct Answering {
  const RestCall& call;
  RestAnswer answer;
  std::optional<Error> failure;
};

std::size_t on_header(const char* data, std::size_t size, std::size_t count, void* self) {
  auto& answering = *static_cast<Answering*>(self);
  const std::string_view line(data, size * count);
  const std::size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) {
    const std::size_t blank = line.find(' ');
    if (blank != std::string_view::npos && blank + 4 <= line.size())
      std::from_chars(line.data() + blank + 1, line.data() + blank + 4, answering.answer.status);
  } else if (colon != std::string_view::npos &&
             codec::equal_ignoring_case(line.substr(0, colon), "retry-after")) {
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    std::from_chars(value.data(), value.data() + value.size(), answering.answer.retry_after_s);
  }
  return size * count;
}

std::size_t on_body(const char* data, std::size_t size, std::size_t count, void* self) {
  auto& answering = *static_cast<Answering*>(self);
  const std::string_view bytes(data, size * count);
  const bool success = answering.answer.status >= 200 && answering.answer.status < 300;
  if (success && answering.call.sink) {
    if (auto taken = answering.call.sink(bytes); !taken) {
      answering.failure = std::move(taken).error();
      return 0;
    }
    return bytes.size();
  }
  if (answering.answer.body.size() + bytes.size() > answering.call.limit) {
    answering.failure = Error(ErrorCode::io_failed,
                              fmt::format("the answer to {} {} is larger than {} bytes",
                                          answering.call.method, answering.call.path, answering.call.limit));
    return 0;
  }
  answering.answer.body += bytes;
  return bytes.size();
}

int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* cancelled = static_cast<Answering*>(self)->call.cancelled;
  return cancelled != nullptr && *cancelled ? 1 : 0;
}

void set_blob(CURL* curl, CURLoption option, const std::string& text) {
  if (text.empty()) return;
  curl_blob blob{.data = const_cast<char*>(text.data()), .len = text.size(), .flags = CURL_BLOB_NOCOPY};
  curl_easy_setopt(curl, option, &blob);
}

bool is_local_http(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return false;
  std::string host = url.substr(kScheme.size());
  host = host.substr(0, host.find_first_of(":/"));
  return is_loopback({"", host, 0});
}

}  // namespace

struct RestClient::Handle {
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl{curl_easy_init(), &curl_easy_cleanup};
};

RestClient::RestClient(RestPeer peer) : peer_(std::move(peer)) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  handle_ = std::make_unique<Handle>();
}
RestClient::~RestClient() = default;
RestClient::RestClient(RestClient&&) noexcept = default;
RestClient& RestClient::operator=(RestClient&&) noexcept = default;

namespace {

void set_answer(CURL* c, Answering& answering) {
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, &answering);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &answering);
  curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(c, CURLOPT_XFERINFODATA, &answering);
}

// libcurl of Debian 12 has no option for the number of probes, and none for bytes that nobody acknowledges.
int on_socket(void*, curl_socket_t fd, curlsocktype) {
  const int on = 1, gone = kGoneMilliseconds;
  (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kIdleSeconds, sizeof kIdleSeconds);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kBetweenSeconds, sizeof kBetweenSeconds);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof kProbes);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone, sizeof gone);
  return CURL_SOCKOPT_OK;
}

void set_connection(CURL* c, base::Deadline deadline) {
  curl_easy_setopt(c, CURLOPT_USERAGENT, "slipway/" SLIPWAY_VERSION);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, &on_socket);
  if (deadline.at() == base::MonotonicTime::max()) return;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.left(base::monotonic_now()));
  curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, std::max<long>(1, static_cast<long>(left.count())));
}

void set_identity(CURL* c, const RestPeer& peer) {
  set_blob(c, CURLOPT_CAINFO_BLOB, peer.authority_pem);
  set_blob(c, CURLOPT_SSLCERT_BLOB, peer.certificate_pem);
  set_blob(c, CURLOPT_SSLKEY_BLOB, peer.key_pem);
  if (!peer.skip_verification) return;
  curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
  curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
}

// A certificate is checked against the URL's host: the URL gets the name, and the connection the address.
struct Named {
  std::string base_url;
  List connect_to;
};
Named named(const RestPeer& peer) {
  if (peer.tls_name.empty()) return {peer.base_url, nullptr};
  const std::size_t begin = peer.base_url.find("://") + 3;
  const std::size_t end = std::min(peer.base_url.find_first_of(":/", begin), peer.base_url.size());
  const std::string host = peer.base_url.substr(begin, end - begin);
  return {peer.base_url.substr(0, begin) + peer.tls_name + peer.base_url.substr(end),
          List(curl_slist_append(nullptr, fmt::format("{}::{}:", peer.tls_name, host).c_str()))};
}

}  // namespace

Result<RestAnswer> RestClient::call(const RestCall& call) {
  const bool local = is_local_http(peer_.base_url);
  if (!local && !peer_.base_url.starts_with("https://"))
    return Error(ErrorCode::bad_value, fmt::format("{} is not the URL of an API", peer_.base_url))
        .with_next("Use https://; http:// is accepted for this machine only.");
  CURL* const c = handle_->curl.get();
  curl_easy_reset(c);  // options go, the connection stays
  Answering answering{.call = call, .answer = {}, .failure = {}};
  char reason[CURL_ERROR_SIZE] = {};
  const Named where = named(peer_);
  List headers(curl_slist_append(nullptr, "Expect:"));
  for (const std::string& header : call.headers)
    headers.reset(curl_slist_append(headers.release(), header.c_str()));
  curl_easy_setopt(c, CURLOPT_URL, (where.base_url + call.path).c_str());
  if (where.connect_to) curl_easy_setopt(c, CURLOPT_CONNECT_TO, where.connect_to.get());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, local ? "http" : "https");
  if (local) curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call.method.c_str());
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers.get());
  if (!call.body.empty()) {
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, call.body.data());
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
  }
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, reason);
  set_connection(c, call.deadline);
  set_identity(c, peer_);
  set_answer(c, answering);
  const CURLcode code = curl_easy_perform(c);
  if (answering.failure) return *std::move(answering.failure);
  if (code == CURLE_OK) return std::move(answering.answer);
  if (code == CURLE_ABORTED_BY_CALLBACK)
    return Error(ErrorCode::interrupted, fmt::format("{} {} was ended", call.method, call.path));
  return Error(code == CURLE_OPERATION_TIMEDOUT ? ErrorCode::timeout : ErrorCode::io_failed,
               fmt::format("{}: {}", peer_.base_url, reason[0] != '\0' ? reason : curl_easy_strerror(code)));
}

}  // namespace slipway::io
