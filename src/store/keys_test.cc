#include "store/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/rng.h"
#include "store/environment.h"
#include "store/test_folder.h"

namespace slipway::store {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr base::WallTime kNow{1'795'503'301'000ms};
const Actor kBy{.via = "control", .uid = 1000, .pid = 4711};

class Keys : public ::testing::Test {
 protected:
  Keys() : database_(*Database::open(folder_.path / "state.db")), store_(database_) {
    EXPECT_TRUE(migrate(database_, state_migrations()));
    EXPECT_TRUE(database_.execute("PRAGMA synchronous=OFF"));  // hundreds of commits; none has to survive
  }
  CreatedKey create(std::string name, base::WallTime now = kNow, std::optional<base::WallTime> expires = {}) {
    auto created = store_.create({.name = std::move(name), .expires = expires}, now, kBy);
    EXPECT_TRUE(created) << created.error().to_string();
    return *created;
  }
  TestFolder folder_;
  Database database_;
  KeyStore store_;
};

TEST(KeyText, IsWellFormedAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string text = make_key_text();
    EXPECT_EQ(text.size(), kKeyLength);
    EXPECT_TRUE(is_well_formed_key(text)) << text;
    EXPECT_TRUE(seen.insert(text).second);
  }
}

TEST(KeyText, AnyOneChangedCharacterIsNoticed) {
  base::Rng rng(7);
  constexpr std::string_view kCharacters = "0123456789abcdefghjkmnpqrstvwxyz";
  int noticed = 0;
  constexpr int kTrials = 2000;
  for (int i = 0; i < kTrials; ++i) {
    std::string text = make_key_text();
    const std::size_t at = kKeyPrefix.size() + rng.below(kKeyLength - kKeyPrefix.size());
    char changed = text[at];
    while (changed == text[at]) changed = kCharacters[rng.below(kCharacters.size())];
    text[at] = changed;
    if (!is_well_formed_key(text)) ++noticed;
  }
  EXPECT_GE(noticed, kTrials - 1);  // 20 bits of checksum: one in a million slips through
}

TEST(KeyText, OtherShapesAreRefused) {
  const std::string good = make_key_text();
  for (const std::string& bad : {std::string(), good.substr(1), good + "0", "sk-proj-" + good.substr(8),
                                 good.substr(0, 43) + "U", good.substr(0, 43) + std::string(1, '\0')})
    EXPECT_FALSE(is_well_formed_key(bad)) << bad;
}

TEST(KeyText, DigestIsSha256) {
  const domain::KeyDigest digest = key_digest("abc");
  EXPECT_EQ(digest[0], 0xba);
  EXPECT_EQ(digest[31], 0xad);
}

TEST_F(Keys, ACreatedKeyIsFoundByItsDigestAndItsTextIsNotStored) {
  const CreatedKey created = create("ci");
  const auto set = *store_.load(true, kNow);
  EXPECT_TRUE(set.required);
  const auto found = set.keys.find(key_digest(created.text));
  ASSERT_NE(found, set.keys.end());
  EXPECT_EQ(found->second.id, created.key.id);
  EXPECT_EQ(found->second.hint, created.text.substr(40));
  ASSERT_TRUE(database_.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  EXPECT_EQ(folder_.read("state.db").find(created.text.substr(8, 32)), std::string::npos);
}

TEST_F(Keys, EveryFieldSurvives) {
  const NewKey wanted{.name = "batch",
                      .models = {"smol", "qwen\"3"},
                      .scopes = {"inference", "admin"},
                      .limits = {.requests_per_minute = 60, .tokens_per_minute = 100'000, .concurrent = 4},
                      .expires = kNow + 24h};
  ASSERT_TRUE(store_.create(wanted, kNow, kBy));
  const auto keys = *store_.list();
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].name, wanted.name);
  EXPECT_EQ(keys[0].models, wanted.models);
  EXPECT_EQ(keys[0].scopes, wanted.scopes);
  EXPECT_EQ(keys[0].limits.requests_per_minute, 60u);
  EXPECT_EQ(keys[0].limits.tokens_per_minute, 100'000u);
  EXPECT_EQ(keys[0].limits.concurrent, 4u);
  EXPECT_EQ(keys[0].created, kNow);
  EXPECT_EQ(keys[0].expires, wanted.expires);
  EXPECT_FALSE(keys[0].revoked);
}

TEST_F(Keys, ARevokedKeyIsGoneFromTheSetAndStaysInTheList) {
  const CreatedKey created = create("ci");
  ASSERT_TRUE(store_.revoke(created.key.id.str(), kNow + 1s, kBy));
  EXPECT_TRUE(store_.load(true, kNow + 1s)->keys.empty());
  EXPECT_EQ(store_.list()->at(0).revoked, kNow + 1s);
  const auto again = store_.revoke(created.key.id.str(), kNow + 5s, kBy);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->revoked, kNow + 1s);
}

TEST_F(Keys, RevokeTakesALiveKeysName) {
  create("ci");
  ASSERT_TRUE(store_.revoke("ci", kNow, kBy));
  const auto second = store_.revoke("ci", kNow + 1s, kBy);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), base::ErrorCode::not_found);
}

TEST_F(Keys, ALiveNameIsTakenAndAnEndedOneIsFree) {
  create("ci", kNow, kNow + 1h);
  const auto second = store_.create({.name = "ci"}, kNow, kBy);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), base::ErrorCode::name_conflict);
  create("ci", kNow + 2h);
}

TEST_F(Keys, WrongFieldsAreRefusedWithTheReason) {
  const std::vector<std::pair<NewKey, std::string>> cases = {
      {{.name = ""}, "1 to 64"},
      {{.name = std::string(65, 'x')}, "65"},
      {{.name = "key_abc"}, "ids look"},
      {{.name = "a", .scopes = {}}, "needs a scope"},
      {{.name = "a", .scopes = {"root"}}, "\"root\""},
      {{.name = "a", .expires = kNow}, "in the past"},
  };
  for (const auto& [wanted, reason] : cases) {
    const auto created = store_.create(wanted, kNow, kBy);
    ASSERT_FALSE(created) << reason;
    EXPECT_EQ(created.error().code(), base::ErrorCode::bad_value);
    EXPECT_THAT(created.error().message(), HasSubstr(reason));
  }
  EXPECT_TRUE(store_.list()->empty());
}

TEST_F(Keys, EndedKeysAreForgottenAfterTheirTime) {
  const CreatedKey old = create("old");
  ASSERT_TRUE(store_.revoke("old", kNow, kBy));
  create("expired", kNow, kNow + 1h);
  create("live");
  create("new", kNow + kKeptAfterEnd + 2h);
  std::vector<std::string> names;
  for (const auto& key : *store_.list()) names.push_back(key.name);
  EXPECT_THAT(names, ::testing::ElementsAre("live", "new"));
}

TEST_F(Keys, TheLastSlotIsTheLastKey) {
  ASSERT_TRUE(database_.execute("BEGIN"));
  for (std::uint32_t slot = 0; slot < domain::kMaxKeys - 1; ++slot)
    ASSERT_TRUE(database_.execute("INSERT INTO keys VALUES ('key_" + std::to_string(slot) + "','n" +
                                  std::to_string(slot) + "','h',randomblob(32),'[]','[]',0,0,0,0,NULL,NULL," +
                                  std::to_string(slot) + ")"));
  ASSERT_TRUE(database_.execute("COMMIT"));
  EXPECT_EQ(create("last").key.slot, domain::kMaxKeys - 1);
  const auto full = store_.create({.name = "one more"}, kNow, kBy);
  ASSERT_FALSE(full);
  EXPECT_THAT(full.error().message(), HasSubstr("4096"));
}

// The audit log's records, as "action subject outcome".
std::vector<std::string> recorded(const Database& database) {
  std::vector<std::string> out;
  const auto check = AuditLog(database).check([&out](const AuditRecord& record) {
    const auto value = nlohmann::json::parse(record.text);
    out.push_back(value["action"].get<std::string>() + " " + value["subject"].get<std::string>() + " " +
                  value["outcome"].get<std::string>());
  });
  EXPECT_TRUE(check && check->broken == 0);
  return out;
}

TEST_F(Keys, EveryChangeAndRefusalIsInTheAuditLogWithoutTheKey) {
  const CreatedKey created = create("ci");
  const std::string id = created.key.id.str();
  EXPECT_FALSE(store_.create({.name = "ci"}, kNow, kBy));
  ASSERT_TRUE(store_.revoke("ci", kNow, kBy));
  ASSERT_TRUE(store_.revoke(id, kNow, kBy));
  EXPECT_FALSE(store_.revoke("ci", kNow, kBy));
  EXPECT_FALSE(store_.revoke(created.text, kNow, kBy));
  EXPECT_THAT(recorded(database_),
              ::testing::ElementsAre("key.create " + id + " done", "key.create ci name_conflict",
                                     "key.revoke " + id + " done", "key.revoke " + id + " unchanged",
                                     "key.revoke ci not_found", "key.revoke (the text of a key) not_found"));
  ASSERT_TRUE(database_.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  EXPECT_EQ(folder_.read("state.db").find(created.text.substr(8, 32)), std::string::npos);
}

TEST_F(Keys, AKeyWhoseRecordCannotBeWrittenIsNotMade) {
  ASSERT_TRUE(
      database_.execute("CREATE TRIGGER full BEFORE INSERT ON audit "
                        "BEGIN SELECT RAISE(ABORT, 'no room'); END"));
  EXPECT_FALSE(store_.create({.name = "ci"}, kNow, kBy));
  EXPECT_TRUE(store_.list()->empty());
  ASSERT_TRUE(database_.execute("DROP TRIGGER full"));
  create("ci");
  ASSERT_TRUE(
      database_.execute("CREATE TRIGGER full BEFORE INSERT ON audit "
                        "BEGIN SELECT RAISE(ABORT, 'no room'); END"));
  EXPECT_FALSE(store_.revoke("ci", kNow, kBy));
  EXPECT_FALSE(store_.list()->at(0).revoked);
}

// Whatever the order of creating, revoking and expiring: no two keys that are in the set, or that ended less
// than kSlotRest ago, share a slot; and a key never changes its slot.
TEST_F(Keys, SlotsAreNeverShared) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    ASSERT_TRUE(database_.execute("DELETE FROM keys"));
    base::Rng rng(seed);
    base::WallTime now = kNow;
    std::map<std::string, std::uint32_t> slots;
    for (int i = 0; i < 120; ++i) {
      now += std::chrono::minutes(rng.below(20));
      const auto keys = *store_.list();
      if (rng.below(3) < 2 || keys.empty()) {
        const auto expires =
            rng.below(2) == 0 ? std::optional(now + std::chrono::minutes(1 + rng.below(90))) : std::nullopt;
        create(std::to_string(i), now, expires);
      } else {
        ASSERT_TRUE(store_.revoke(keys[rng.below(keys.size())].id.str(), now, kBy));
      }
      std::set<std::uint32_t> taken;
      for (const auto& key : *store_.list()) {
        EXPECT_EQ(slots.try_emplace(key.id.str(), key.slot).first->second, key.slot);
        const auto end =
            key.revoked && (!key.expires || *key.revoked < *key.expires) ? key.revoked : key.expires;
        if (!end || *end > now - kSlotRest) EXPECT_TRUE(taken.insert(key.slot).second) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace slipway::store
