#include "store/chunked_download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "store/fake_hub.h"
#include "store/test_folder.h"

namespace slipway::store {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;
using ::testing::HasSubstr;

constexpr std::uint64_t kChunk = 64 * 1024;
constexpr std::size_t kSize = 10 * kChunk + 777;

class ChunkedDownloads : public ::testing::Test {
 protected:
  base::Result<void> run(std::uint64_t expected = 0, const std::atomic<bool>* cancelled = nullptr) {
    auto part = PartFile::open(base_, "source", kChunk, nullptr);
    if (!part) return part.error();
    ProgressMeter progress({});
    const ChunkedRequest request{.url = hub_.url("/file"),
                                 .headers = {},
                                 .expected_bytes = expected,
                                 .reserve_bytes = 0,
                                 .retry_delay = 1ms};
    SLIPWAY_RETURN_IF_ERROR(download_chunks(request, *part, progress, cancelled));
    SLIPWAY_TRY(digest_, part->digest({}, nullptr));
    return {};
  }
  void expect_whole(const base::Result<void>& result) {
    ASSERT_TRUE(result) << result.error().to_string();
    EXPECT_EQ(digest_, sha256_hex(file_));
    EXPECT_EQ(folder_.read("x.part"), file_);
  }

  const std::string file_ = test_bytes(kSize);
  TestFolder folder_;
  std::filesystem::path base_ = folder_.path / "x";
  std::atomic<bool> cancelled_{false};
  std::latch let_go_{1};
  FakeHub hub_{[this](const HubRequest& r) { return serve(r, file_, "v1"); }};
  std::string digest_;
};

TEST_F(ChunkedDownloads, AnHonestServerIsAskedOnce) {
  expect_whole(run(kSize));
  EXPECT_EQ(hub_.requests().size(), 1u);
}

TEST_F(ChunkedDownloads, TruncatedAnswersAreContinuedAtTheByteWhereTheyBroke) {
  hub_.set_handler([this](const HubRequest& r) {
    HubReply reply = serve(r, file_, "v1");
    reply.send = 100'000;
    return reply;
  });
  expect_whole(run(kSize));
  EXPECT_EQ(hub_.body_bytes(), kSize);
}

TEST_F(ChunkedDownloads, AServerThatIgnoresRangesIsReadFromItsStart) {
  std::atomic<int> calls{0};
  hub_.set_handler([&](const HubRequest&) {
    HubReply reply = serve({}, file_, "v1");
    if (calls++ == 0) reply.send = 5 * kChunk + 5;
    return reply;
  });
  expect_whole(run(kSize));
  EXPECT_EQ(hub_.requests().size(), 2u);
}

TEST_F(ChunkedDownloads, AnUnknownLengthEndsWhereTheServerEnds) {
  hub_.set_handler([this](const HubRequest&) {
    HubReply reply = serve({}, file_, "");
    reply.length = false;
    return reply;
  });
  expect_whole(run());
}

TEST_F(ChunkedDownloads, AChangedEtagStartsAnew) {
  const std::string old = test_bytes(kSize, 2);
  std::atomic<int> calls{0};
  hub_.set_handler([&](const HubRequest& r) {
    if (calls++ > 0) return serve(r, file_, "v2");
    HubReply reply = serve(r, old, "v1");
    reply.send = 4 * kChunk;
    return reply;
  });
  expect_whole(run(kSize));
}

TEST_F(ChunkedDownloads, AShrunkFileIsA416AndStartsAnew) {
  const std::string old = test_bytes(2 * kSize, 2);
  std::atomic<int> calls{0};
  hub_.set_handler([&](const HubRequest& r) {
    if (calls++ > 0) return serve(r, file_, "");
    HubReply reply = serve(r, old, "");
    reply.send = kSize + kChunk;
    return reply;
  });
  expect_whole(run());
  EXPECT_EQ(calls, 3);
}

TEST_F(ChunkedDownloads, AFileThatAlwaysChangesIsGivenUp) {
  std::atomic<int> calls{0};
  hub_.set_handler([&](const HubRequest& r) {
    HubReply reply = serve(r, file_, std::to_string(calls++));
    reply.send = kChunk;
    return reply;
  });
  const auto result = run(kSize);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::download_failed);
  EXPECT_THAT(result.error().message(), HasSubstr("keeps changing"));
}

TEST_F(ChunkedDownloads, ADeadServerIsGivenUpAfterSoManyTries) {
  hub_.set_handler([](const HubRequest&) {
    return HubReply{.status = 503, .headers = {}, .body = "", .before_close = {}};
  });
  const auto result = run(kSize);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::download_failed);
  EXPECT_EQ(hub_.requests().size(), static_cast<std::size_t>(kMaxAttempts));
}

TEST_F(ChunkedDownloads, AMissingFileIsNotAskedForTwice) {
  hub_.set_handler([](const HubRequest&) {
    return HubReply{.status = 404, .headers = {}, .body = "", .before_close = {}};
  });
  ASSERT_FALSE(run(kSize));
  EXPECT_EQ(hub_.requests().size(), 1u);
}

TEST_F(ChunkedDownloads, AnotherSizeThanExpectedIsRefusedBeforeAByteIsKept) {
  const auto result = run(kSize + 1);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::digest_mismatch);
  EXPECT_THAT(result.error().message(), HasSubstr(std::to_string(kSize)));
  EXPECT_EQ(folder_.read("x.part").size(), 0u);
}

TEST_F(ChunkedDownloads, ADiskWithoutRoomIsRefusedWithTheNumbersBeforeAByteIsKept) {
  auto part = PartFile::open(base_, "source", kChunk, nullptr);
  ProgressMeter progress({});
  const ChunkedRequest request{.url = hub_.url("/file"),
                               .headers = {},
                               .expected_bytes = 0,
                               .reserve_bytes = std::uint64_t{1} << 60,
                               .retry_delay = 1ms};
  const auto result = download_chunks(request, *part, progress, nullptr);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::disk_full);
  EXPECT_THAT(result.error().message(), HasSubstr("are free"));
  EXPECT_EQ(folder_.read("x.part").size(), 0u);
}

TEST_F(ChunkedDownloads, OnlyMissingAndDamagedChunksAreFetchedAgain) {
  hub_.set_handler([this](const HubRequest& r) {
    if (r.begin > 0) return HubReply{.status = 404, .headers = {}, .body = "", .before_close = {}};
    HubReply reply = serve(r, file_, "v1");
    reply.send = 6 * kChunk;
    return reply;
  });
  ASSERT_FALSE(run(kSize));
  std::string part = folder_.read("x.part");
  part[2 * kChunk + 5] = static_cast<char>(part[2 * kChunk + 5] ^ 1);
  folder_.write("x.part", part);
  hub_.set_handler([this](const HubRequest& r) { return serve(r, file_, "v1"); });
  const std::uint64_t before = hub_.body_bytes();
  const std::size_t asked = hub_.requests().size();
  expect_whole(run(kSize));
  EXPECT_EQ(hub_.body_bytes() - before, kChunk + (kSize - 6 * kChunk));
  ASSERT_EQ(hub_.requests().size(), asked + 2);
  EXPECT_EQ(hub_.requests()[asked].begin, 2 * kChunk);
  EXPECT_EQ(hub_.requests()[asked].end, 3 * kChunk);
  EXPECT_EQ(hub_.requests()[asked + 1].begin, 6 * kChunk);
}

TEST_F(ChunkedDownloads, ADamagedRecordCostsTheDownloadAndNothingElse) {
  ASSERT_TRUE(run(kSize));
  for (const char* record :
       {"", "{", "[]", R"({"version":1,"source":"source","chunk_bytes":65536,"total":"x"})",
        R"({"version":1,"source":"source","chunk_bytes":65536,"total":656137,"chunks":[1,null,"zz"]})"}) {
    folder_.write("x.parts.json", record);
    expect_whole(run(kSize));
  }
}

TEST_F(ChunkedDownloads, CancellingEndsAStalledTransferAndKeepsWhatIsThere) {
  hub_.set_handler([this](const HubRequest& r) {
    HubReply reply = serve(r, file_, "v1");
    reply.send = 3 * kChunk;
    reply.before_close = [this] {
      while (folder_.read("x.part").size() < 2 * kChunk && !let_go_.try_wait()) std::this_thread::yield();
      cancelled_ = true;
      let_go_.wait();
    };
    return reply;
  });
  const auto result = run(kSize, &cancelled_);
  let_go_.count_down();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::interrupted);
  EXPECT_GE(folder_.read("x.part").size(), 2 * kChunk);
}

}  // namespace
}  // namespace slipway::store
