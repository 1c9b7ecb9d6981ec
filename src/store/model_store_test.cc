#include "store/model_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <latch>
#include <nlohmann/json.hpp>

#include "store/digest.h"
#include "store/fake_hub.h"
#include "store/test_folder.h"
#include "store/wheel.h"

namespace slipway::store {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kChunk = 64 * 1024;
constexpr std::size_t kSize = 6 * kChunk + 99;

ModelStoreSettings settings_for(const std::string& endpoint) {
  ModelStoreSettings settings;
  settings.hf_endpoint = endpoint;
  settings.python = find_python();
  settings.chunk_bytes = kChunk;
  settings.reserve_bytes = 0;
  settings.retry_delay = 1ms;
  return settings;
}

domain::ModelFile model_file(std::string source, std::string sha256 = "", std::uint64_t bytes = 0) {
  domain::ModelFile file;
  file.name = "m.gguf";
  file.source = std::move(source);
  file.bytes = bytes;
  file.sha256 = std::move(sha256);
  return file;
}

class ModelStores : public ::testing::Test {
 protected:
  ModelStore open() { return *ModelStore::open(root_, settings_for(hub_.url(""))); }
  std::vector<std::string> partial() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(root_ / "partial"))
      if (entry.path().extension() != ".lock") names.push_back(entry.path().filename());
    return names;
  }

  const std::string file_ = test_bytes(kSize);
  const std::string sha_ = sha256_hex(file_);
  TestFolder folder_;
  std::filesystem::path root_ = folder_.path / "models";
  FakeHub hub_{[this](const HubRequest& r) { return serve(r, file_, "v1"); }};
};

TEST_F(ModelStores, AFetchedFileIsThereUnderItsDigestAndIsNotFetchedTwice) {
  ModelStore store = open();
  const auto wanted = model_file("hf:owner/repo/m.gguf", sha_, kSize);
  EXPECT_FALSE(store.find(wanted));
  const auto first = store.fetch(wanted);
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(first->path, root_ / "blobs" / ("sha256-" + sha_));
  EXPECT_FALSE(first->was_here);
  EXPECT_EQ(first->note, "");
  EXPECT_EQ(folder_.read("models/blobs/sha256-" + sha_), file_);
  EXPECT_EQ(hub_.requests().at(0).target, "/owner/repo/resolve/main/m.gguf");
  EXPECT_THAT(partial(), IsEmpty());
  const auto second = store.fetch(wanted);
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->was_here);
  EXPECT_EQ(hub_.requests().size(), 1u);
  EXPECT_TRUE(store.find(wanted));
}

TEST_F(ModelStores, TheTokenGoesToTheHubOnly) {
  ModelStoreSettings settings = settings_for(hub_.url(""));
  settings.hf_token = "hf_secret";
  ModelStore store = *ModelStore::open(root_, settings);
  ASSERT_TRUE(store.fetch(model_file("hf:o/r/f", sha_)));
  EXPECT_EQ(hub_.requests().at(0).headers.at("authorization"), "Bearer hf_secret");
  ASSERT_TRUE(store.remove(sha_));
  ASSERT_TRUE(store.fetch(model_file(hub_.url("/f"), sha_)));
  EXPECT_FALSE(hub_.requests().at(1).headers.contains("authorization"));
}

TEST_F(ModelStores, ATokenThatIsSetLaterCountsAtTheNextDownload) {
  ModelStoreSettings settings = settings_for(hub_.url(""));
  settings.hf_token_files = {root_ / "absent", root_ / "hf-token"};
  ModelStore store = *ModelStore::open(root_, settings);
  ASSERT_TRUE(store.fetch(model_file("hf:o/r/f", sha_)));
  EXPECT_FALSE(hub_.requests().at(0).headers.contains("authorization"));
  ASSERT_TRUE(io::write_file_atomic(root_ / "hf-token", "hf_later\n"));
  ASSERT_TRUE(store.remove(sha_));
  ASSERT_TRUE(store.fetch(model_file("hf:o/r/f", sha_)));
  EXPECT_EQ(hub_.requests().at(1).headers.at("authorization"), "Bearer hf_later");
}

TEST_F(ModelStores, AFlippedBitIsADigestMismatchAndTheNextFetchIsClean) {
  ModelStore store = open();
  hub_.set_handler([this](const HubRequest& r) {
    HubReply reply = serve(r, file_, "v1");
    reply.body[1000] = static_cast<char>(reply.body[1000] ^ 1);
    return reply;
  });
  const auto wanted = model_file("hf:o/r/f", sha_, kSize);
  const auto first = store.fetch(wanted);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code(), ErrorCode::digest_mismatch);
  EXPECT_THAT(first.error().message(), HasSubstr(sha_));
  EXPECT_FALSE(store.find(wanted));
  EXPECT_THAT(partial(), IsEmpty());
  hub_.set_handler([this](const HubRequest& r) { return serve(r, file_, "v1"); });
  EXPECT_TRUE(store.fetch(wanted));
}

TEST_F(ModelStores, ARefusalNamesThePageAndWhetherATokenWasSent) {
  ModelStore store = open();
  hub_.set_handler([](const HubRequest&) {
    return HubReply{.status = 401, .headers = {}, .body = "", .before_close = {}};
  });
  const auto fetched = store.fetch(model_file("hf:o/r/f", sha_));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::gated);
  EXPECT_THAT(fetched.error().message(), HasSubstr("no token is set"));
  EXPECT_THAT(std::string(fetched.error().next_step()), HasSubstr(hub_.url("/o/r")));
  EXPECT_EQ(hub_.requests().size(), 1u);
}

TEST_F(ModelStores, AnUnknownDigestIsTrustedOnceSaidAndPinned) {
  ModelStore store = open();
  const auto wanted = model_file("hf:o/r/f");
  const auto first = store.fetch(wanted);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->sha256, sha_);
  EXPECT_THAT(first->note, HasSubstr(sha_));
  std::filesystem::remove(first->path);
  const std::string other = test_bytes(kSize, 9);
  hub_.set_handler([&](const HubRequest& r) { return serve(r, other, "v2"); });
  const auto second = store.fetch(wanted);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::digest_mismatch);
  hub_.set_handler([this](const HubRequest& r) { return serve(r, file_, "v1"); });
  const auto third = store.fetch(wanted);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->note, "");
}

TEST_F(ModelStores, TwoFetchesOfOneFileTransferItOnce) {
  std::latch waiting(1);
  hub_.set_handler([&](const HubRequest& r) {
    waiting.wait();  // until the second one says that it waits
    return serve(r, file_, "v1");
  });
  const auto wanted = model_file("hf:o/r/f", sha_, kSize);
  std::atomic<int> fetched{0};
  std::atomic<bool> said{false};
  const auto fetch = [&] {
    ModelStore store = open();
    const auto result = store.fetch(wanted, [&](const FetchProgress& p) {
      if (p.phase == "wait" && !said.exchange(true)) waiting.count_down();
    });
    ASSERT_TRUE(result) << result.error().to_string();
    if (!result->was_here) ++fetched;
  };
  std::thread first(fetch);
  std::thread second(fetch);
  first.join();
  second.join();
  EXPECT_EQ(fetched, 1);
  EXPECT_EQ(hub_.body_bytes(), kSize);
}

TEST_F(ModelStores, ProgressRisesToTheEndAndNamesItsPhases) {
  ModelStore store = open();
  std::vector<std::string> phases;
  std::uint64_t last = 0;
  std::uint64_t total = 0;
  ASSERT_TRUE(store.fetch(model_file("hf:o/r/f", sha_, kSize), [&](const FetchProgress& p) {
    if (phases.empty() || phases.back() != p.phase) phases.emplace_back(p.phase), last = 0;
    EXPECT_GE(p.done, last);
    last = p.done;
    total = p.total;
  }));
  EXPECT_THAT(phases, ElementsAre("download", "verify"));
  EXPECT_EQ(last, kSize);
  EXPECT_EQ(total, kSize);
}

TEST_F(ModelStores, ALocalFileIsLinkedAndAChangedOneIsSeen) {
  ModelStore store = open();
  folder_.write("w.gguf", file_);
  const auto wanted = model_file("file:" + (folder_.path / "w.gguf").string());
  const auto first = store.fetch(wanted);
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(first->sha256, sha_);
  EXPECT_EQ(std::filesystem::hard_link_count(first->path), 2u);
  EXPECT_TRUE(store.fetch(wanted)->was_here);

  const std::string other = test_bytes(kSize, 3);
  folder_.write("w.gguf", other);  // in place: the linked blob changes with it
  std::filesystem::last_write_time(folder_.path / "w.gguf",
                                   std::filesystem::file_time_type::clock::now() + 1h);
  const auto second = store.fetch(wanted);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->sha256, sha256_hex(other));
  EXPECT_FALSE(std::filesystem::exists(first->path)) << "its bytes are no longer what its name says";
}

TEST_F(ModelStores, ALocalFileWithAnotherDigestIsRefused) {
  ModelStore store = open();
  folder_.write("w.gguf", "other");
  const auto fetched = store.fetch(model_file("file:" + (folder_.path / "w.gguf").string(), sha_));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::digest_mismatch);
  EXPECT_THAT(*store.list(), IsEmpty());
}

TEST_F(ModelStores, AMissingFileFolderOrFifoIsUnreadable) {
  ModelStore store = open();
  ASSERT_EQ(::mkfifo((folder_.path / "fifo").c_str(), 0600), 0);
  for (const char* name : {"missing", "models", "fifo"}) {
    const auto fetched = store.fetch(model_file("file:" + (folder_.path / name).string()));
    ASSERT_FALSE(fetched) << name;
    EXPECT_EQ(fetched.error().code(), ErrorCode::file_unreadable) << name;
  }
}

TEST_F(ModelStores, VerifyFindsADamagedBlobAndRemovesIt) {
  ModelStore store = open();
  const auto wanted = model_file("hf:o/r/f", sha_, kSize);
  const auto fetched = store.fetch(wanted);
  ASSERT_TRUE(fetched);
  EXPECT_TRUE(store.verify(sha_));
  std::string damaged = file_;
  damaged[5] = static_cast<char>(damaged[5] ^ 1);
  std::filesystem::permissions(fetched->path, std::filesystem::perms::owner_all);
  folder_.write("models/blobs/sha256-" + sha_, damaged);
  const auto verified = store.verify(sha_);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code(), ErrorCode::digest_mismatch);
  EXPECT_FALSE(store.find(wanted));
  EXPECT_TRUE(store.fetch(wanted));
}

TEST_F(ModelStores, ListNamesSourcesAndRemoveForgetsThem) {
  ModelStore store = open();
  ASSERT_TRUE(store.fetch(model_file("hf:o/r/f", sha_)));
  folder_.write("models/blobs/README", "not a blob");
  folder_.write("models/refs/x.json", "not a ref");
  const auto models = *store.list();
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].bytes, kSize);
  EXPECT_THAT(models[0].sources, ElementsAre("hf:o/r/f"));
  EXPECT_THAT(models[0].names, ElementsAre("m.gguf"));
  EXPECT_EQ(*store.remove(sha_), kSize);
  EXPECT_THAT(*store.list(), IsEmpty());
  const auto again = store.remove(sha_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::not_found);
}

TEST_F(ModelStores, AWrongDigestTextIsRefusedBeforeAnyRequest) {
  ModelStore store = open();
  const auto fetched = store.fetch(model_file("hf:o/r/f", "abc"));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::bad_value);
  EXPECT_THAT(hub_.requests(), IsEmpty());
}

TEST_F(ModelStores, ADiskThatFillsUpIsSaidWithTheNumbersAndTheNextFetchWorks) {
  ASSERT_TRUE(ModelStore::open(root_, {}));
  if (::mount("tmpfs", (root_ / "partial").c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "NOT CHECKED: a full disk needs a tmpfs, and this user cannot mount one";
  ModelStore store = open();
  hub_.set_handler([this](const HubRequest& r) {
    HubReply reply = serve(r, file_, "v1");
    reply.length = r.begin != 0;  // the size is not known beforehand
    if (r.begin == 0) reply.headers.pop_back(), reply.status = 200;
    return reply;
  });
  const auto fetched = store.fetch(model_file("hf:o/r/f", sha_));
  ::umount2((root_ / "partial").c_str(), MNT_DETACH);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::disk_full);
  EXPECT_THAT(fetched.error().message(), HasSubstr("are free"));
  EXPECT_TRUE(store.fetch(model_file("hf:o/r/f", sha_)));
}

int whole_chunks(const std::filesystem::path& record) {
  std::ifstream file(record);
  const auto object = nlohmann::json::parse(file, nullptr, false);
  if (!object.is_object()) return 0;
  int whole = 0;
  for (const auto& chunk : object["chunks"]) whole += chunk != "" ? 1 : 0;
  return whole;
}

// The child is forked before the hub has threads; it learns the hub's address through a pipe.
TEST(ModelStoreKill, AKilledFetchContinuesWithTheChunksItHad) {
  TestFolder folder;
  const auto root = folder.path / "models";
  const std::string file = test_bytes(kSize);
  const auto wanted = model_file("hf:o/r/f", sha256_hex(file), kSize);
  std::array<int, 2> address{};
  ASSERT_EQ(::pipe(address.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::array<char, 64> url{};
    if (::read(address[0], url.data(), url.size() - 1) <= 0) ::_exit(1);
    ModelStore store = *ModelStore::open(root, settings_for(url.data()));
    (void)store.fetch(wanted);
    ::_exit(0);
  }
  ASSERT_TRUE(ModelStore::open(root, {}));
  const int watch = ::inotify_init1(IN_CLOEXEC);
  ASSERT_GE(::inotify_add_watch(watch, (root / "partial").c_str(), IN_MOVED_TO), 0);
  std::latch killed(1);
  FakeHub hub([&](const HubRequest& r) {
    HubReply reply = serve(r, file, "v1");
    reply.send = 3 * kChunk + 10;
    reply.before_close = [&] { killed.wait(); };
    return reply;
  });
  const std::string url = hub.url("");
  ASSERT_GT(::write(address[1], url.data(), url.size()), 0);
  while (whole_chunks(root / "partial" / (wanted.sha256 + ".parts.json")) < 3) {
    std::array<char, 8192> events{};
    ASSERT_GT(::read(watch, events.data(), events.size()), 0);  // until the record is replaced
  }
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  killed.count_down();

  hub.set_handler([&](const HubRequest& r) { return serve(r, file, "v1"); });
  ModelStore store = *ModelStore::open(root, settings_for(url));
  const auto fetched = store.fetch(wanted);
  ASSERT_TRUE(fetched) << fetched.error().to_string();
  EXPECT_EQ(sha256_hex(folder.read("models/blobs/sha256-" + wanted.sha256)), wanted.sha256);
  EXPECT_EQ(hub.requests().back().begin, 3 * kChunk);
  for (const int fd : {address[0], address[1], watch}) ::close(fd);
}

}  // namespace
}  // namespace slipway::store
