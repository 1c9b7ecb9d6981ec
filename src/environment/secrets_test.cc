#include "environment/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "store/model_store.h"

namespace slipway::environment {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;

TEST(Tokens, WhatIsNoTokenIsRefusedAndNeverQuoted) {
  struct Case {
    std::string text;
    const char* why;
  };
  for (const Case& c :
       {Case{"", "empty"}, Case{"\n", "empty"}, Case{"hf_canary one", "blank"}, Case{" hf_canary", "blank"},
        Case{"hf_canary\nhf_canary\n", "several lines"}, Case{"hf_canary\n\n", "several lines"},
        Case{"hf_can\x01ry", "character"}, Case{"hf_canary\xc3\xa9", "character"},
        Case{"hf_" + std::string(2000, 'x'), "longer"}}) {
    const auto token = checked_token(c.text);
    ASSERT_FALSE(token) << c.text;
    EXPECT_EQ(token.error().code(), ErrorCode::bad_value);
    EXPECT_THAT(token.error().message(), HasSubstr(c.why));
    EXPECT_THAT(token.error().to_string(), Not(HasSubstr("hf_can")));
  }
}

TEST(Tokens, ANewlineAtTheEndIsNotPartOfIt) {
  for (const char* text : {"hf_canary", "hf_canary\n", "hf_canary\r\n"}) {
    const auto token = checked_token(text);
    ASSERT_TRUE(token) << text;
    EXPECT_EQ(token->text, "hf_canary");
    EXPECT_THAT(token->warning, IsEmpty());
  }
}

TEST(Tokens, AnUnusualOneIsKeptWithAWarning) {
  const auto token = checked_token("api_org_x");
  ASSERT_TRUE(token);
  EXPECT_THAT(token->warning, HasSubstr("hf_"));
}

TEST(Tokens, OnThisMachineItIsAFileOfItsOwnerThatDownloadsRead) {
  std::string pattern = fs::path(testing::TempDir()) / "secretsXXXXXX";
  const fs::path home = mkdtemp(pattern.data());
  setenv("SLIPWAY_HOME", home.c_str(), 1);
  unsetenv("HF_TOKEN");
  const auto paths = io::user_paths();
  ASSERT_TRUE(paths);
  EXPECT_THAT(secrets_here(*paths), IsEmpty());
  const auto kept = keep_token_here(*paths, *checked_token("hf_canary"));
  ASSERT_TRUE(kept) << kept.error().to_string();
  EXPECT_EQ(fs::status(kept->where).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(io::read_file(kept->where).value(), "hf_canary\n");
  EXPECT_EQ(store::ModelStoreSettings::from_environment().hf_token_files.front(), fs::path(kept->where));
  ASSERT_EQ(secrets_here(*paths).size(), 1u);
  EXPECT_EQ(secrets_here(*paths)[0].name, "hf-token");
  unsetenv("SLIPWAY_HOME");
  fs::remove_all(home);
}

}  // namespace
}  // namespace slipway::environment
