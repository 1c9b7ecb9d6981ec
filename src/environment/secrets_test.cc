#include "environment/secrets.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>

#include "io/http_test_support.h"
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

TEST(Tokens, OnAClusterItIsASecretInBase64) {
  std::mutex mutex;
  std::string applied;
  io::test::TestServer server([&](io::Exchange& x) -> io::Task<> {
    const auto body = co_await x.body();
    {
      const std::lock_guard lock(mutex);
      if (x.head().method == "PATCH" && body) applied = *body;
    }
    (void)co_await x.respond(200, {}, "{}");
  });
  const fs::path file = fs::path(testing::TempDir()) / fmt::format("secrets-{}", server.endpoint().port);
  ASSERT_TRUE(io::write_file_atomic(
      file,
      fmt::format(
          "current-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{}'}}}}]\n"
          "contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{}}}}]\n",
          server.endpoint().port)));
  auto api = kube::Client::open(file);
  fs::remove(file);
  ASSERT_TRUE(api);
  // One length a remainder of three: padding of two, one and no signs.
  const std::pair<const char*, const char*> tokens[] = {
      {"hf_a", "aGZfYQ=="}, {"hf_ab", "aGZfYWI="}, {"hf_abc", "aGZfYWJj"}};
  for (const auto& [token, encoded] : tokens) {
    ASSERT_TRUE(keep_token_on(*api, {.kubeconfig = {}, .context = {}, .name_space = "m"}, "lab",
                              *checked_token(token)));
    const std::lock_guard lock(mutex);
    EXPECT_EQ(codec::text(codec::field(*codec::parse_json(applied), "data"), "token"), encoded);
  }
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
