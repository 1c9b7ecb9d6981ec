#include "environment/image.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "codec/json_view.h"
#include "environment/shared_libraries.h"
#include "io/files.h"
#include "store/digest.h"
#include "store/test_folder.h"

namespace slipway::environment {
namespace {

using base::ErrorCode;
using codec::field, codec::list, codec::text;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

struct Read {
  char kind = 0;
  std::string mode, owner, time, content;
};
using Tar = std::vector<std::pair<std::string, Read>>;

// A reader of its own, by the format's description.
Tar read_tar(std::string_view bytes) {
  const auto word = [&](std::size_t at, std::size_t length) {
    const std::string_view part = bytes.substr(at, length);
    return std::string(part.substr(0, part.find('\0')));
  };
  Tar out;
  while (bytes.size() >= 512 && bytes[0] != '\0') {
    Read entry{.kind = bytes[156],
               .mode = word(100, 8),
               .owner = word(108, 8),
               .time = word(136, 12),
               .content = {}};
    const std::string prefix = word(345, 155), name = word(0, 100);
    const std::size_t size = std::stoull(word(124, 12), nullptr, 8);
    entry.content = bytes.substr(512, size);
    out.emplace_back(prefix.empty() ? name : prefix + "/" + name, std::move(entry));
    bytes.remove_prefix(512 + (size + 511) / 512 * 512);
  }
  EXPECT_EQ(bytes.size(), 1024u) << "two empty blocks end it";
  return out;
}

std::map<std::string, Read> by_name(const Tar& tar) {
  return {tar.begin(), tar.end()};
}

class Images : public ::testing::Test {
 protected:
  // A small program of this machine stands for ours.
  fs::path program_ = "/bin/true";
  store::TestFolder folder_;
  fs::path archive_ = folder_.path / "image.tar";
  ImageRequest request_{.program = program_, .name = "slipway", .reference = "docker.io/library/slipway:1"};

  base::Result<BuiltImage> build(const fs::path& to) { return build_image(request_, to); }
  const std::string& blob(const std::map<std::string, Read>& files, const codec::Json& descriptor) {
    const std::string digest = text(descriptor, "digest");
    const auto found = files.find("blobs/sha256/" + digest.substr(7));
    EXPECT_NE(found, files.end()) << digest;
    static const std::string none;
    if (found == files.end()) return none;
    EXPECT_EQ("sha256:" + store::sha256_hex(found->second.content), digest);
    EXPECT_EQ(static_cast<double>(found->second.content.size()), codec::number(descriptor, "size"));
    return found->second.content;
  }
};

TEST_F(Images, EveryDigestIsThatOfItsBlobFromTheIndexDownToTheLayer) {
  const auto built = build(archive_);
  ASSERT_TRUE(built) << built.error().to_string();
  const std::string bytes = *io::read_file(archive_);
  EXPECT_EQ(built->archive_bytes, bytes.size());
  const auto files = by_name(read_tar(bytes));
  ASSERT_TRUE(files.contains("index.json") && files.contains("oci-layout"));
  const auto index = codec::parse_json(files.at("index.json").content);
  ASSERT_TRUE(index && list(*index, "manifests").size() == 1);
  EXPECT_EQ(text(list(*index, "manifests")[0], "digest"), built->digest);
  const auto manifest = codec::parse_json(blob(files, list(*index, "manifests")[0]));
  ASSERT_TRUE(manifest && list(*manifest, "layers").size() == 1);
  const auto configuration = codec::parse_json(blob(files, field(*manifest, "config")));
  ASSERT_TRUE(configuration);
  const std::string layer = blob(files, list(*manifest, "layers")[0]);
  EXPECT_EQ(list(field(*configuration, "rootfs"), "diff_ids")[0], "sha256:" + store::sha256_hex(layer));
  EXPECT_EQ(list(field(*configuration, "config"), "Entrypoint")[0], "/usr/bin/slipway");
  EXPECT_EQ(files.size(), 7u) << "two folders, two documents, three blobs";
}

TEST_F(Images, TheLayerHoldsTheProgramItsLoaderAndLibrariesAndAUserWithoutRights) {
  ASSERT_TRUE(build(archive_));
  Tar layer;
  for (const auto& [name, file] : read_tar(*io::read_file(archive_)))
    if (name.starts_with("blobs/sha256/") && file.content.size() > 100'000) layer = read_tar(file.content);
  const auto files = by_name(layer);
  ASSERT_TRUE(files.contains("usr/bin/slipway"));
  EXPECT_EQ(files.at("usr/bin/slipway").content, *io::read_file(program_));
  EXPECT_EQ(files.at("usr/bin/slipway").mode, "0000755");
  const auto libraries = shared_libraries_of(program_);
  ASSERT_TRUE(libraries);
  EXPECT_TRUE(files.contains(libraries->loader.relative_path().string()));
  EXPECT_TRUE(files.contains(libraries->by_name.at("libc.so.6").relative_path().string()));
  EXPECT_EQ(files.at("tmp/").mode, "0001777");
  EXPECT_EQ(files.at("home/nonroot/").owner, "0177774");
  EXPECT_THAT(files.at("etc/passwd").content, HasSubstr("nonroot:x:65532:65532:"));
  EXPECT_THAT(files.at("etc/ssl/certs/ca-certificates.crt").content, HasSubstr("BEGIN CERTIFICATE"));
  for (const char* shell : {"bin/sh", "usr/bin/sh", "bin/bash"}) EXPECT_FALSE(files.contains(shell));
  EXPECT_TRUE(std::ranges::is_sorted(layer, {}, [](const auto& entry) {
    return entry.first.ends_with('/') ? entry.first.substr(0, entry.first.size() - 1) : entry.first;
  }));
  for (const auto& [name, file] : layer) EXPECT_EQ(file.time, "00000000000") << name;
}

TEST_F(Images, TheSameInputMakesTheSameBytesAndAnotherNameOnlyAnotherIndex) {
  const auto first = build(archive_), again = build(folder_.path / "again.tar");
  ASSERT_TRUE(first && again);
  EXPECT_EQ(*io::read_file(archive_), *io::read_file(folder_.path / "again.tar"));
  request_.reference = "registry.example.org/slipway:2";
  const auto renamed = build(folder_.path / "renamed.tar");
  ASSERT_TRUE(renamed);
  EXPECT_EQ(renamed->digest, first->digest);
  EXPECT_NE(*io::read_file(folder_.path / "renamed.tar"), *io::read_file(archive_));
}

TEST_F(Images, AModelLiesInALayerOfItsOwnAndLeavesTheProgramsAsItWas) {
  const auto bare = build(archive_);
  ASSERT_TRUE(bare);
  const auto layers = [&](const fs::path& archive) {
    const auto files = by_name(read_tar(*io::read_file(archive)));
    const auto index = codec::parse_json(files.at("index.json").content);
    const auto manifest = codec::parse_json(blob(files, list(*index, "manifests")[0]));
    const auto configuration = codec::parse_json(blob(files, field(*manifest, "config")));
    std::vector<std::string> out;
    for (const codec::Json& layer : list(*manifest, "layers")) {
      const std::string content = blob(files, layer);
      EXPECT_EQ(list(field(*configuration, "rootfs"), "diff_ids")[out.size()],
                "sha256:" + store::sha256_hex(content));
      out.push_back(content);
    }
    return out;
  };
  // More than a piece is read at once, and no whole number of them.
  const std::string weights = "GGUF" + std::string((2u << 20) + 7, 'w');
  const fs::path file = folder_.path / "tiny=model.gguf", archive = folder_.path / "baked.tar";
  ASSERT_TRUE(io::write_file_atomic(file, weights));
  request_.models = {baked_model(file.string()), baked_model(file.string() + "=/data/second.gguf")};
  const auto baked = build(archive);
  ASSERT_TRUE(baked) << baked.error().to_string();
  EXPECT_NE(baked->digest, bare->digest);
  const auto before = layers(archive_), after = layers(archive);
  ASSERT_EQ(after.size(), 3u);
  EXPECT_EQ(after[0], before.at(0));
  const auto first = by_name(read_tar(after[1])), second = by_name(read_tar(after[2]));
  EXPECT_EQ(first.at("models/tiny=model.gguf").content, weights);
  EXPECT_EQ(first.at("models/tiny=model.gguf").mode, "0000644");
  EXPECT_EQ(first.at("models/").kind, '5');
  EXPECT_EQ(second.at("data/second.gguf").content, weights);
}

TEST_F(Images, WhatIsNoModelAndAPlaceThatIsTakenAreRefused) {
  const fs::path file = folder_.path / "m.gguf", other = folder_.path / "notes.txt";
  ASSERT_TRUE(io::write_file_atomic(file, "GGUF and so on"));
  ASSERT_TRUE(io::write_file_atomic(other, "a text"));
  request_.models = {baked_model(other.string())};
  EXPECT_EQ(build(archive_).error().code(), ErrorCode::gguf_corrupt);
  request_.models = {baked_model((folder_.path / "absent.gguf").string())};
  EXPECT_EQ(build(archive_).error().code(), ErrorCode::file_unreadable);
  for (const char* place : {"/usr/bin/slipway", "/models/../etc/passwd", "/models/", "/usr"}) {
    request_.models = {baked_model(file.string() + "=" + place)};
    const auto refused = build(archive_);
    ASSERT_FALSE(refused) << place;
    EXPECT_EQ(refused.error().code(), ErrorCode::bad_value) << place;
  }
  request_.models = {baked_model(file.string()), baked_model(file.string())};
  EXPECT_EQ(build(archive_).error().code(), ErrorCode::bad_value) << "one place for two";
}

TEST_F(Images, WhatIsNoProgramIsRefusedAndLeavesTheOldArchive) {
  ASSERT_TRUE(io::write_file_atomic(archive_, "old"));
  request_.program = "/etc/passwd";
  const auto refused = build(archive_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::bad_value);
  EXPECT_EQ(*io::read_file(archive_), "old");
}

TEST_F(Images, AFolderThatIsNotThereIsNamed) {
  const auto refused = build(folder_.path / "missing/image.tar");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::io_failed);
  EXPECT_THAT(refused.error().message(), HasSubstr("missing/image.tar"));
}

TEST(SharedLibraries, TheLoadersListIsReadByItsNamesAndPlaces) {
  const auto found = parse_loader_list(
      "\tlinux-vdso.so.1 (0x00007ffd)\n"
      "\tlibssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f)\n"
      "\t/opt/own/libown.so (0x00007f)\n"
      "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n"
      "\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->loader, "/lib64/ld-linux-x86-64.so.2");
  EXPECT_EQ(found->by_name.size(), 3u);
  EXPECT_EQ(found->by_name.at("libssl.so.3"), "/lib/x86_64-linux-gnu/libssl.so.3");
  EXPECT_EQ(found->by_name.at("libown.so"), "/opt/own/libown.so");
}

TEST(SharedLibraries, AMissingLibraryIsNamed) {
  const auto found = parse_loader_list("\tlibfmt.so.9 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x7f)\n");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::dependency_missing);
  EXPECT_THAT(found.error().message(), HasSubstr("libfmt.so.9"));
}

}  // namespace
}  // namespace slipway::environment
