#include "gateway/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "gateway/testing.h"
#include "store/keys.h"
#include "store/test_folder.h"
#include "telemetry/log.h"

namespace slipway::gateway {
namespace {

using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kFirst = "first-long-enough-key";
constexpr const char* kSecond = "second-long-enough-key";

const domain::Key& key_of(const domain::KeySet& set, std::string_view secret) {
  return set.keys.at(store::key_digest(secret));
}

domain::KeySet parsed(std::string_view text) {
  auto set = parse_key_file("keys", text);
  EXPECT_TRUE(set) << set.error().to_string();
  return set ? *std::move(set) : domain::KeySet();
}

TEST(KeyFile, HoldsKeysWithLimits) {
  const domain::KeySet set =
      parsed("# comment\n\nfirst-long-enough-key 60 1000 4\r\n  second-long-enough-key\n");
  EXPECT_TRUE(set.required);
  ASSERT_EQ(set.keys.size(), 2u);
  EXPECT_EQ(key_of(set, kFirst).limits.requests_per_minute, 60u);
  EXPECT_EQ(key_of(set, kFirst).limits.tokens_per_minute, 1000u);
  EXPECT_EQ(key_of(set, kFirst).limits.concurrent, 4u);
  EXPECT_EQ(key_of(set, kSecond).limits.concurrent, 0u);
}

TEST(KeyFile, AKeyAsksModelsUnlessItsLineSaysOtherwise) {
  const struct {
    const char* line;
    std::vector<std::string> scopes;
  } rows[] = {
      {"first-long-enough-key", {"inference"}},
      {"first-long-enough-key 60 1000 4", {"inference"}},
      {"first-long-enough-key scope=admin", {"admin"}},
      {"first-long-enough-key 60 scope=inference", {"inference"}},
      {"first-long-enough-key 60 1000 4\tscope=inference,admin \r", {"inference", "admin"}},
      {"first-long-enough-key scope=admin,admin", {"admin"}},
  };
  for (const auto& row : rows) EXPECT_EQ(key_of(parsed(row.line), kFirst).scopes, row.scopes) << row.line;
  EXPECT_EQ(key_of(parsed("first-long-enough-key 60 scope=admin"), kFirst).limits.requests_per_minute, 60u);
}

TEST(KeyFile, ErrorsNameThePlaceAndWhatIsExpectedAndNeverAKey) {
  const struct {
    const char* text;
    const char* place;
    const char* says;
  } rows[] = {
      {"short\n", "(keys:1:1)", "at least 16 characters, this one has 5"},
      {"# one\n first-long-enough-key x\n", "(keys:2:24)", "`x` is neither a limit"},
      {"first-long-enough-key 1 -2\n", "(keys:1:25)", "`-2` is neither a limit"},
      {"first-long-enough-key 99999999999\n", "(keys:1:23)", "neither a limit"},
      {"first-long-enough-key second-long-enough-key\n", "(keys:1:23)", "a word of a key's length"},
      {"first-long-enough-key 1 2 3 4\n", "(keys:1:29)", "`4` follows three limits"},
      {"first-long-enough-key admin\n", "(keys:1:23)", "nor a scope"},
      {"first-long-enough-key 1 scope=root\n", "(keys:1:31)", "`root` is not a scope"},
      {"first-long-enough-key scope=\n", "(keys:1:29)", "the scopes are inference and admin"},
      {"first-long-enough-key scope=admin,\n", "(keys:1:35)", "the scopes are inference and admin"},
      {"first-long-enough-key scope=second-long-enough-key\n", "(keys:1:29)", "is not a scope"},
      {"first-long-enough-key scope=admin 60\n", "(keys:1:35)", "`60` follows the scope"},
      {"scope=inference,admin\n", "(keys:1:1)", "begins with its key"},
      {"first-long-enough-key\n\nfirst-long-enough-key\n", "(keys:3:1)", "there twice"},
  };
  for (const auto& row : rows) {
    const auto set = parse_key_file("keys", row.text);
    ASSERT_FALSE(set) << row.text;
    EXPECT_EQ(set.error().code(), ErrorCode::bad_value);
    EXPECT_THAT(set.error().message(), HasSubstr(row.place)) << row.text;
    EXPECT_THAT(set.error().message(), HasSubstr(row.says)) << row.text;
    EXPECT_THAT(std::string(set.error().next_step()), HasSubstr("scope=inference,admin"));
    EXPECT_THAT(set.error().to_string(), Not(HasSubstr("long-enough")));
  }
  EXPECT_THAT(parse_key_file("keys", "# nothing\n").error().message(), HasSubstr("keys holds no key"));
}

TEST(KeyFile, AKeyThatStaysKeepsItsSlot) {
  const domain::KeySet before = parsed("first-long-enough-key\nsecond-long-enough-key\n");
  domain::KeySet after = parsed("third-long-enough-key\nsecond-long-enough-key\nfourth-long-enough-key\n");
  keep_slots(after, before);
  const auto slot = [&](const char* key) { return key_of(after, key).slot; };
  EXPECT_EQ(slot(kSecond), key_of(before, kSecond).slot);
  EXPECT_EQ((std::set{slot(kSecond), slot("third-long-enough-key"), slot("fourth-long-enough-key")}),
            (std::set<std::uint32_t>{0, 1, 2}));
}

class KeyFileOnDisk : public ::testing::Test {
 protected:
  KeyFileOnDisk() {
    telemetry::set_log_sink([this](std::string_view lines) { log_.emplace_back(lines); });
  }
  ~KeyFileOnDisk() override { telemetry::set_log_sink({}); }
  void write(std::string_view text, std::filesystem::perms mode = std::filesystem::perms::owner_read |
                                                                  std::filesystem::perms::owner_write) {
    folder_.write("keys", text);
    std::filesystem::permissions(folder_.path / "keys", mode);
  }

  store::TestFolder folder_;
  std::vector<std::string> log_;
  base::Published<domain::KeySet> keys_;
  KeyFile file_{folder_.path / "keys", keys_};
};

TEST_F(KeyFileOnDisk, AChangedFileIsTakenWithItsScopes) {
  write("first-long-enough-key\n");
  ASSERT_TRUE(file_.read());
  EXPECT_THAT(key_of(*keys_.load(), kFirst).scopes, ElementsAre("inference"));
  file_.read_again();
  EXPECT_TRUE(log_.empty()) << "nothing changed";
  write("first-long-enough-key scope=admin\nsecond-long-enough-key\n");
  file_.read_again();
  EXPECT_THAT(key_of(*keys_.load(), kFirst).scopes, ElementsAre("admin"));
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_THAT(log_[0], HasSubstr("\"keys_before\":1,\"keys\":2"));
}

TEST_F(KeyFileOnDisk, AWrongFileLeavesTheKeysAsTheyWereAndTheLogSaysWhyOnce) {
  write("first-long-enough-key\n");
  ASSERT_TRUE(file_.read());
  const auto before = keys_.load();
  write("first-long-enough-key\nsecond-long-enough-key scope=amdin\n");
  for (int i = 0; i < 3; ++i) file_.read_again();
  EXPECT_EQ(keys_.load(), before);
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_THAT(log_[0], HasSubstr("the keys stay as they were"));
  EXPECT_THAT(log_[0], HasSubstr("`amdin` is not a scope; the scopes are inference and admin"));
  EXPECT_THAT(log_[0], HasSubstr("keys:2:30)"));
  EXPECT_THAT(log_[0], Not(HasSubstr("long-enough")));
  write("first-long-enough-key\nsecond-long-enough-key scope=admin\n");
  file_.read_again();
  EXPECT_EQ(keys_.load()->keys.size(), 2u);
  ASSERT_EQ(log_.size(), 2u);
  write("first-long-enough-key\n", std::filesystem::perms(0644));
  file_.read_again();
  EXPECT_EQ(keys_.load()->keys.size(), 2u);
  EXPECT_THAT(log_.back(), HasSubstr("chmod 600"));
}

TEST_F(KeyFileOnDisk, AFileThatIsNotThereIsNamed) {
  const auto done = file_.read();
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr(folder_.path.string()));
}

TEST(KeyFile, MetricsNeedTheScopeAdminWhichAsksNoModel) {
  testing::FakeReplica replica(testing::answer_ok);
  testing::TestGateway g({testing::model_of("m", {replica.endpoint()})}, {},
                         parsed("first-long-enough-key\nsecond-long-enough-key scope=admin\n"));
  const std::vector<io::Header> user = {{"authorization", "Bearer first-long-enough-key"}};
  const std::vector<io::Header> prometheus = {{"authorization", "Bearer second-long-enough-key"}};
  EXPECT_EQ(g.call("GET", "/metrics", {}, user).status, 403);
  EXPECT_EQ(g.chat({}, user).status, 200);
  EXPECT_EQ(g.call("GET", "/metrics", {}, prometheus).status, 200);
  EXPECT_EQ(g.call("GET", "/v1/models", {}, prometheus).symbol(), "key_scope");
  EXPECT_EQ(g.chat({}, prometheus).symbol(), "key_scope");
  EXPECT_EQ(replica.seen().size(), 1u);
}

}  // namespace
}  // namespace slipway::gateway
