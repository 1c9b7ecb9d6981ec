#include "io/download.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <mutex>
#include <optional>

#include "codec/http_head.h"
#include "io/http.h"

namespace slipway::io {
namespace {

using base::Error;
using base::ErrorCode;

constexpr long kMaxRedirects = 10;
constexpr long kConnectSeconds = 15;
constexpr long kStallSeconds = 30;  // less than one byte a second for so long ends the transfer
constexpr std::size_t kMaxComplaint = 500;

template <auto kFree>
struct Freed {
  void operator()(auto* p) const { kFree(p); }
};
using Curl = std::unique_ptr<CURL, Freed<curl_easy_cleanup>>;
using CurlUrl = std::unique_ptr<CURLU, Freed<curl_url_cleanup>>;
using HeaderList = std::unique_ptr<curl_slist, Freed<curl_slist_free_all>>;

std::string url_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  const std::unique_ptr<char, Freed<curl_free>> owner(text);
  return text;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A transfer in flight; curl's callbacks get it as their pointer.
class Transfer {
 public:
  Transfer(const DownloadRequest& request, const std::function<base::Result<void>(std::string_view)>& sink,
           const std::atomic<bool>* cancelled,
           const std::function<base::Result<void>(const DownloadResult&)>& on_head)
      : request_(request), sink_(sink), cancelled_(cancelled), on_head_(on_head), curl_(curl_easy_init()) {}

  base::Result<DownloadResult> perform();

 private:
  base::Result<bool> check_url() const;  // true: plain http to this machine
  void set_up(bool loopback);
  void set_headers();
  void take_header(std::string_view line);
  base::Result<void> head_complete();
  base::Result<DownloadResult> verdict(CURLcode code);
  Error refused_by_server() const;
  bool is_success() const { return result_.status >= 200 && result_.status < 300; }
  // Keeps the first error; false tells curl to stop.
  bool keep(base::Result<void> step) {
    if (!step && !failure_) failure_ = std::move(step).error();
    return !failure_;
  }

  static std::size_t on_header(const char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(const char* data, std::size_t size, std::size_t count, void* self);
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  static int on_connected(void*, char* peer, char*, int, int);

  const DownloadRequest& request_;
  const std::function<base::Result<void>(std::string_view)>& sink_;
  const std::atomic<bool>* cancelled_;
  const std::function<base::Result<void>(const DownloadResult&)>& on_head_;
  Curl curl_;
  HeaderList headers_;
  char reason_[CURL_ERROR_SIZE] = {};
  DownloadResult result_;
  std::optional<std::uint64_t> range_start_;
  std::optional<Error> failure_;
  std::string complaint_;  // the first bytes of an error's body
};

base::Result<bool> Transfer::check_url() const {
  const CurlUrl url(curl_url());
  const bool parsed = curl_url_set(url.get(), CURLUPART_URL, request_.url.c_str(), 0) == CURLUE_OK;
  const std::string scheme = parsed ? url_part(url.get(), CURLUPART_SCHEME) : "";
  if (scheme == "https") return false;
  std::string host = url_part(url.get(), CURLUPART_HOST);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (scheme == "http" && is_loopback({"", host, 0})) return true;
  return Error(ErrorCode::bad_value, fmt::format("{} is not a URL to download from", request_.url))
      .with_next("Use an https:// URL; http:// is accepted for this machine only.");
}

void Transfer::set_headers() {
  curl_slist* list = nullptr;
  for (const std::string& header : request_.headers) list = curl_slist_append(list, header.c_str());
  if (!request_.if_match.empty()) list = curl_slist_append(list, ("If-Match: " + request_.if_match).c_str());
  headers_.reset(list);
  curl_easy_setopt(curl_.get(), CURLOPT_HTTPHEADER, list);
}

void Transfer::set_up(bool loopback) {
  CURL* const c = curl_.get();
  set_headers();
  curl_easy_setopt(c, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, reason_);
  curl_easy_setopt(c, CURLOPT_USERAGENT, "slipway/" SLIPWAY_VERSION);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(c, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, loopback ? "http" : "https");
  curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, loopback ? "http" : "https");
  if (loopback) {
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, &Transfer::on_connected);
  }
  curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  if (request_.offset > 0 || request_.length > 0) {
    std::string range = fmt::format("{}-", request_.offset);
    if (request_.length > 0) range += std::to_string(request_.offset + request_.length - 1);
    curl_easy_setopt(c, CURLOPT_RANGE, range.c_str());
  }
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  curl_easy_setopt(c, CURLOPT_XFERINFODATA, this);
}

std::size_t Transfer::on_header(const char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  std::string_view line(data, size * count);
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (!line.empty()) {
    transfer.take_header(line);
    return size * count;
  }
  return transfer.keep(transfer.head_complete()) ? size * count : 0;
}

void Transfer::take_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {  // a new answer: what an earlier one said (a redirect) is void
    result_ = {};
    range_start_.reset();
    const std::size_t blank = line.find(' ');
    if (blank != std::string_view::npos)
      result_.status = static_cast<int>(number(line.substr(blank + 1, 3)).value_or(0));
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = line.substr(0, colon);
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  if (codec::equal_ignoring_case(name, "etag")) result_.etag = value;
  // Of a piece, the length is the piece's; Content-Range has the file's.
  if (codec::equal_ignoring_case(name, "content-length") && result_.status != 206)
    result_.total_bytes = number(value).value_or(0);
  if (!codec::equal_ignoring_case(name, "content-range") || !value.starts_with("bytes ")) return;
  const std::size_t dash = value.find('-');
  const std::size_t slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos) return;
  range_start_ = number(value.substr(6, dash - 6));
  result_.total_bytes = number(value.substr(slash + 1)).value_or(0);
}

base::Result<void> Transfer::head_complete() {
  const bool passing = result_.status < 200 || (result_.status >= 300 && result_.status < 400);
  if (passing) return {};
  if (result_.status == 206) {
    if (range_start_ != request_.offset)
      return Error(ErrorCode::download_failed,
                   fmt::format("{} sent another range than the one asked for", request_.url));
    result_.ranged = true;
  }
  if (is_success() && !request_.if_match.empty() && result_.etag != request_.if_match)
    return Error(ErrorCode::download_failed,
                 fmt::format("{} changed at its source while it was downloaded", request_.url));
  return on_head_ ? on_head_(result_) : base::Result<void>();
}

std::size_t Transfer::on_body(const char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view bytes(data, size * count);
  if (transfer.is_success()) return transfer.keep(transfer.sink_(bytes)) ? bytes.size() : 0;
  transfer.complaint_.append(
      bytes.substr(0, kMaxComplaint - std::min(kMaxComplaint, transfer.complaint_.size())));
  return bytes.size();
}

int Transfer::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* cancelled = static_cast<Transfer*>(self)->cancelled_;
  return cancelled != nullptr && *cancelled ? 1 : 0;
}

// Plain http stays on this machine, whatever a redirect or a name service says.
int Transfer::on_connected(void*, char* peer, char*, int, int) {
  return is_loopback({"", peer, 0}) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

Error Transfer::refused_by_server() const {
  const auto code =
      result_.status == 401 || result_.status == 403 ? ErrorCode::gated : ErrorCode::download_failed;
  return Error(code, fmt::format("{} answered {}", request_.url, result_.status)).with_detail(complaint_);
}

base::Result<DownloadResult> Transfer::verdict(CURLcode code) {
  if (failure_) return std::move(*failure_);
  if (code == CURLE_ABORTED_BY_CALLBACK && cancelled_ != nullptr && *cancelled_)
    return Error(ErrorCode::interrupted, fmt::format("the download of {} was interrupted", request_.url));
  if (code != CURLE_OK)
    return Error(
        ErrorCode::download_failed,
        fmt::format("{}: {}", request_.url, reason_[0] != '\0' ? reason_ : curl_easy_strerror(code)));
  if (!is_success()) return refused_by_server();
  return std::move(result_);
}

base::Result<DownloadResult> Transfer::perform() {
  SLIPWAY_TRY(const bool loopback, check_url());
  set_up(loopback);
  return verdict(curl_easy_perform(curl_.get()));
}

}  // namespace

base::Result<DownloadResult> download(
    const DownloadRequest& request, const std::function<base::Result<void>(std::string_view)>& sink,
    const std::atomic<bool>* cancelled,
    const std::function<base::Result<void>(const DownloadResult&)>& on_head) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  return Transfer(request, sink, cancelled, on_head).perform();
}

}  // namespace slipway::io
