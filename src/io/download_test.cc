#include "io/download.h"

#include <fmt/format.h>

#include "io/http_test_support.h"

namespace slipway::io {
namespace {

using namespace test;
using base::ErrorCode;

const std::string& file() {
  static const std::string kFile = [] {
    std::string s(1'000'000, 'x');
    for (std::size_t i = 0; i < s.size(); ++i) s[i] = static_cast<char>('a' + i * 7 / 3 % 26);
    return s;
  }();
  return kFile;
}

Task<> serve_range(Exchange& x) {
  const std::string_view range = x.head().find("range")->substr(6);
  const std::size_t from = std::stoul(std::string(range));
  const std::string_view last = range.substr(range.find('-') + 1);
  const std::size_t to = last.empty() ? file().size() - 1 : std::stoul(std::string(last));
  const std::string content_range = fmt::format("bytes {}-{}/{}", from, to, file().size());
  (void)co_await x.respond(206, {{"Content-Range", content_range}, {"ETag", "\"v1\""}},
                           std::string_view(file()).substr(from, to - from + 1));
}

Task<> hub(Exchange& x) {
  const std::string_view path = x.head().path();
  if (path == "/file" && x.head().find("range")) co_return co_await serve_range(x);
  if (path == "/file" || path == "/no-ranges") {
    (void)co_await x.respond(200, {{"ETag", "\"v1\""}}, file());
  } else if (path == "/moved") {
    (void)co_await x.respond(302, {{"Location", "/file"}, {"ETag", "\"other\""}}, "");
  } else if (path == "/gated") {
    (void)co_await x.respond(403, {}, "accept the licence");
  } else if (path == "/broken") {
    (void)x.start_stream(200, {});
    (void)co_await x.write("half");
    x.abort();
  } else {
    (void)co_await x.respond(404, {}, "nothing here");
  }
}

class DownloadTest : public testing::Test {
 protected:
  DownloadRequest request(const std::string& path) {
    DownloadRequest r;
    r.url = "http://" + to_string(server_.endpoint()) + path;
    return r;
  }
  base::Result<DownloadResult> fetch(const DownloadRequest& r) {
    got_.clear();
    return download(r, [this](std::string_view bytes) {
      got_.append(bytes);
      return base::Result<void>();
    });
  }
  TestServer server_{hub};
  std::string got_;
};

TEST_F(DownloadTest, AWholeFileArrivesAlsoThroughARedirect) {
  for (const char* path : {"/file", "/moved"}) {
    const auto result = fetch(request(path));
    ASSERT_TRUE(result) << result.error().to_string();
    EXPECT_TRUE(got_ == file());
    EXPECT_EQ(result->total_bytes, file().size());
    EXPECT_EQ(result->etag, "\"v1\"");
    EXPECT_FALSE(result->ranged);
  }
}

TEST_F(DownloadTest, ARangeContinuesAPartialFile) {
  DownloadRequest r = request("/file");
  r.offset = 999'000;
  r.if_match = "\"v1\"";
  auto result = fetch(r);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_TRUE(result->ranged);
  EXPECT_EQ(result->total_bytes, file().size());
  EXPECT_EQ(got_, file().substr(999'000));
  r.length = 10;
  ASSERT_TRUE(fetch(r));
  EXPECT_EQ(got_, file().substr(999'000, 10));
}

TEST_F(DownloadTest, AChangedFileFailsBeforeItsFirstByte) {
  DownloadRequest r = request("/file");
  r.offset = 10;
  r.if_match = "\"v0\"";
  const auto result = fetch(r);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::download_failed);
  EXPECT_EQ(got_, "");
}

TEST_F(DownloadTest, TheHeadIsSeenFirstAndMayStopTheDownload) {
  DownloadRequest r = request("/no-ranges");
  r.offset = 10;
  std::string got;
  const auto result = download(
      r,
      [&](std::string_view bytes) {
        got.append(bytes);
        return base::Result<void>();
      },
      nullptr,
      [](const DownloadResult& head) -> base::Result<void> {
        EXPECT_EQ(head.status, 200);
        return base::Error(ErrorCode::internal, head.ranged ? "ranged" : "the range was ignored");
      });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "the range was ignored");
  EXPECT_EQ(got, "");
}

TEST_F(DownloadTest, RefusalsCarryTheServersWords) {
  auto result = fetch(request("/gated"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::gated);
  EXPECT_EQ(result.error().detail(), "accept the licence");
  result = fetch(request("/none"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::download_failed);
  EXPECT_TRUE(result.error().message().contains("404"));
  EXPECT_EQ(got_, "");
}

TEST_F(DownloadTest, ATruncatedBodyFails) {
  const auto result = fetch(request("/broken"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::download_failed);
}

TEST_F(DownloadTest, TheSinksErrorEndsIt) {
  const auto result = download(request("/file"), [](std::string_view) -> base::Result<void> {
    return base::Error(ErrorCode::disk_full, "no room");
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::disk_full);
}

TEST_F(DownloadTest, CancellingInterrupts) {
  const std::atomic<bool> cancelled = true;
  const auto result =
      download(request("/file"), [](std::string_view) { return base::Result<void>(); }, &cancelled);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::interrupted);
}

TEST_F(DownloadTest, PlainHttpStaysOnThisMachine) {
  DownloadRequest r;
  for (const char* url :
       {"http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "", "127.0.0.1/x"}) {
    r.url = url;
    EXPECT_EQ(fetch(r).error().code(), ErrorCode::bad_value) << url;
  }
}

}  // namespace
}  // namespace slipway::io
