#include "codec/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace slipway::codec {
namespace {

using testing::HasSubstr;

// Writes GGUF bytes, right or wrong, as told.
class Builder {
 public:
  template <class T>
  Builder& raw(T value) {
    const auto* p = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), p, p + sizeof(T));
    return *this;
  }
  Builder& string(std::string_view s) {
    raw<std::uint64_t>(s.size());
    for (const char c : s) bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  Builder& preamble(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
    return raw<std::uint32_t>(0x46554747).raw(version).raw(tensors).raw(keys);
  }
  Builder& text(std::string_view key, std::string_view value) {
    return string(key).raw<std::uint32_t>(8).string(value);
  }
  Builder& u32(std::string_view key, std::uint32_t value) {
    return string(key).raw<std::uint32_t>(4).raw(value);
  }
  Builder& tensor(std::string_view name, std::vector<std::uint64_t> dims, std::uint32_t type,
                  std::uint64_t offset) {
    string(name).raw<std::uint32_t>(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t d : dims) raw(d);
    return raw(type).raw(offset);
  }
  Builder& data(std::size_t size) {
    while (bytes_.size() % 32) bytes_.push_back(std::byte{0});
    bytes_.resize(bytes_.size() + size);
    return *this;
  }
  base::Result<GgufInfo> read() const { return read_gguf(gguf_source(bytes_)); }
  std::vector<std::byte> bytes_;
};

Builder small_llama() {
  Builder b;
  b.preamble(1, 8).text("general.architecture", "llama").text("general.name", "tiny");
  b.u32("llama.block_count", 2).u32("llama.context_length", 128).u32("llama.embedding_length", 64);
  b.u32("llama.attention.head_count", 4).u32("llama.attention.head_count_kv", 2).u32("general.file_type", 3);
  return b.tensor("token_embd.weight", {64, 10}, 0, 0).data(64 * 10 * 4);
}

void expect_corrupt(const Builder& b, const char* words) {
  const auto read = b.read();
  ASSERT_FALSE(read.has_value()) << words;
  EXPECT_EQ(read.error().code(), base::ErrorCode::gguf_corrupt);
  EXPECT_THAT(read.error().message(), HasSubstr(words));
  EXPECT_THAT(read.error().message(), HasSubstr("at offset "));
}

TEST(Gguf, ReadsTheShapeOfAModel) {
  const auto info = small_llama().read();
  ASSERT_TRUE(info.has_value()) << info.error().to_string();
  EXPECT_EQ(info->architecture, "llama");
  EXPECT_EQ(info->name, "tiny");
  EXPECT_EQ(info->file_type, "Q4_1");
  EXPECT_EQ(info->layers, 2u);
  EXPECT_EQ(info->tensor_bytes, 2560u);
  EXPECT_EQ(info->parameters, 640u);
  EXPECT_EQ(kv_bytes_per_token(*info, domain::KvType::f16), 2u * 2 * (16 + 16) * 2);
  EXPECT_EQ(kv_bytes_per_token(*info, domain::KvType::q8_0), 128u / 32 * 34);
  EXPECT_EQ(task_of(*info), domain::ModelTask::base);
}

TEST(Gguf, ReadsHeadCountsGivenALayer) {
  Builder b;
  b.preamble(0, 5).text("general.architecture", "x").u32("x.block_count", 3).u32("x.embedding_length", 32);
  b.u32("x.attention.head_count", 4)
      .string("x.attention.head_count_kv")
      .raw<std::uint32_t>(9)
      .raw<std::uint32_t>(5);
  b.raw<std::uint64_t>(3).raw<std::int32_t>(0).raw<std::int32_t>(2).raw<std::int32_t>(4);
  const auto info = b.read();
  ASSERT_TRUE(info.has_value()) << info.error().to_string();
  EXPECT_EQ(info->kv_heads, (std::vector<std::uint32_t>{0, 2, 4}));
  EXPECT_EQ(kv_bytes_per_token(*info, domain::KvType::f16), 6u * 16 * 2);
}

TEST(Gguf, AnEncoderKeepsNoKvAndIsAnEmbeddingModel) {
  Builder b;
  b.preamble(0, 3).text("general.architecture", "bert").u32("bert.block_count", 6);
  b.string("bert.attention.causal").raw<std::uint32_t>(7).raw<std::uint8_t>(0);
  const auto info = b.read();
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(kv_bytes_per_token(*info, domain::KvType::f16), 0u);
  EXPECT_EQ(task_of(*info), domain::ModelTask::embedding);
}

TEST(Gguf, RefusesEveryTruncationOfAGoodHeader) {
  const Builder whole = small_llama();
  for (std::size_t n = 0; n < whole.bytes_.size(); ++n) {
    const auto cut = read_gguf(gguf_source(std::span(whole.bytes_).first(n)));
    ASSERT_FALSE(cut.has_value()) << n;
    EXPECT_EQ(cut.error().code(), base::ErrorCode::gguf_corrupt);
  }
}

TEST(Gguf, NamesWhatIsWrongInTheHead) {
  expect_corrupt(Builder().raw<std::uint64_t>(0x0a0d0d0a), "does not begin with 'GGUF'");
  expect_corrupt(Builder().preamble(0, 0, 1), "version 1 is not supported");
  expect_corrupt(Builder().preamble(0, 0, 0x03000000), "big-endian");
  expect_corrupt(Builder().preamble(1ull << 40, 0), "the number of tensors is");
  expect_corrupt(Builder().preamble(0, 1ull << 40), "the number of keys is");
  expect_corrupt(Builder().preamble(0, 0), "'general.architecture' is missing");
}

TEST(Gguf, NamesWhatIsWrongInTheKeys) {
  expect_corrupt(Builder().preamble(0, 1).raw<std::uint64_t>(1ull << 63), "a key claims");
  expect_corrupt(Builder().preamble(0, 1).string("k").raw<std::uint32_t>(13), "value type 13");
  expect_corrupt(Builder().preamble(0, 1).string("k").raw<std::uint32_t>(7).raw<std::uint8_t>(2),
                 "truth value");
  expect_corrupt(Builder().preamble(0, 2).u32("k", 1).u32("k", 2), "'k' is there twice");
  expect_corrupt(Builder().preamble(0, 1).u32("general.architecture", 1), "is not a string");
  expect_corrupt(Builder().preamble(0, 2).text("general.architecture", "x").text("x.block_count", "9"),
                 "not a whole number");
  expect_corrupt(Builder().preamble(0, 2).text("general.architecture", "x").u32("x.block_count", 1u << 30),
                 "at most 2048");
  expect_corrupt(Builder().preamble(0, 1).u32("general.alignment", 24), "not a power of two");
}

TEST(Gguf, NamesWhatIsWrongInArrays) {
  Builder deep;
  deep.preamble(0, 1).string("k").raw<std::uint32_t>(9);
  for (int i = 0; i < 8; ++i) deep.raw<std::uint32_t>(9).raw<std::uint64_t>(1);
  expect_corrupt(deep, "nested deeper");
  Builder wide;
  wide.preamble(0, 1).string("k").raw<std::uint32_t>(9).raw<std::uint32_t>(4).raw<std::uint64_t>(1ull << 60);
  expect_corrupt(wide, "an array claims");
  Builder shorter;
  shorter.preamble(0, 1).string("k").raw<std::uint32_t>(9).raw<std::uint32_t>(4).raw<std::uint64_t>(5000);
  expect_corrupt(shorter, "an array needs 20000 bytes, but the file ends after 0 more");
}

Builder with_tensor(std::vector<std::uint64_t> dims, std::uint32_t type, std::uint64_t offset) {
  Builder b;
  b.preamble(1, 1).text("general.architecture", "x").tensor("t", std::move(dims), type, offset).data(128);
  return b;
}

TEST(Gguf, NamesWhatIsWrongInTheTensors) {
  EXPECT_TRUE(with_tensor({32}, 0, 0).read().has_value());
  expect_corrupt(with_tensor({33}, 0, 0), "tensor 't' needs 132 bytes from 0");
  expect_corrupt(with_tensor({32}, 0, 32), "tensor 't' needs 128 bytes from 32");
  expect_corrupt(with_tensor({1}, 0, 4), "not a multiple of 32");
  expect_corrupt(with_tensor({1}, 0, ~31ull), "but the file has only");
  expect_corrupt(with_tensor({1ull << 40, 1ull << 40}, 0, 0), "impossible dimension");
  expect_corrupt(with_tensor({1ull << 62}, 28, 0), "overflows");
  expect_corrupt(with_tensor({0}, 0, 0), "impossible dimension 0");
  expect_corrupt(with_tensor({1, 1, 1, 1, 1}, 0, 0), "5 dimensions");
  expect_corrupt(with_tensor({32}, 4, 0), "unknown type 4");
  expect_corrupt(with_tensor({16}, 3, 0), "not a multiple of Q4_1's block of 32");
}

TEST(Gguf, PassesOnTheErrorOfTheSource) {
  const GgufSource broken{.size = 100, .read = [](std::uint64_t, std::span<std::byte>) -> base::Result<void> {
                            return base::Error(base::ErrorCode::io_failed, "the disk is gone");
                          }};
  const auto read = read_gguf(broken);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), base::ErrorCode::io_failed);
}

TEST(Gguf, ReadsTheEmbeddedModel) {
  const char* path = std::getenv("SLIPWAY_TEST_MODEL");
  if (!path) GTEST_SKIP() << "SLIPWAY_TEST_MODEL names no file";
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  ASSERT_TRUE(file) << path;
  const GgufSource source{.size = static_cast<std::uint64_t>(file.tellg()),
                          .read = [&](std::uint64_t offset, std::span<std::byte> out) -> base::Result<void> {
                            file.seekg(static_cast<std::streamoff>(offset));
                            file.read(reinterpret_cast<char*>(out.data()),
                                      static_cast<std::streamsize>(out.size()));
                            return {};
                          }};
  const auto info = read_gguf(source);
  ASSERT_TRUE(info.has_value()) << info.error().to_string();
  EXPECT_EQ(info->architecture, "llama");
  EXPECT_EQ(info->file_type, "Q4_1");
  EXPECT_EQ(info->layers, 30u);
  EXPECT_EQ(info->context_length, 8192u);
  EXPECT_EQ(info->vocabulary, 49152u);
  EXPECT_EQ(task_of(*info), domain::ModelTask::chat);
  EXPECT_EQ(kv_bytes_per_token(*info, domain::KvType::f16), 23'040u);  // 22.5 KiB
  EXPECT_EQ(info->header_bytes + info->tensor_bytes, source.size);
}

}  // namespace
}  // namespace slipway::codec
