#include "store/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "store/environment.h"
#include "store/test_folder.h"

namespace slipway::store {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr base::WallTime kNow{1'795'503'301'000ms};
const Actor kBy{.via = "control", .uid = 1000, .pid = 4711};

class Audit : public ::testing::Test {
 protected:
  Audit() : database_(*Database::open(folder_.path / "state.db")), log_(database_) {
    EXPECT_TRUE(migrate(database_, state_migrations()));
    EXPECT_TRUE(database_.execute("PRAGMA synchronous=OFF"));
  }
  void append(std::string subject, json details = json::object()) {
    EXPECT_TRUE(log_.append({.at = kNow,
                             .by = kBy,
                             .action = "deploy",
                             .subject = std::move(subject),
                             .details = std::move(details)}));
  }
  void fill(int records) {
    for (int i = 1; i <= records; ++i) append("model-" + std::to_string(i));
  }
  std::vector<AuditRecord> records() const {
    std::vector<AuditRecord> out;
    EXPECT_TRUE(log_.check([&out](const AuditRecord& record) { out.push_back(record); }));
    return out;
  }
  // Somebody who may write the file is not held up by a trigger.
  void tamper(const std::string& sql) {
    EXPECT_TRUE(
        database_.execute("DROP TRIGGER IF EXISTS audit_never_changes;"
                          "DROP TRIGGER IF EXISTS audit_never_shrinks;" +
                          sql));
  }
  AuditCheck checked() const { return log_.check().value(); }

  TestFolder folder_;
  Database database_;
  AuditLog log_;
};

TEST_F(Audit, TheHashIsBlake2b256) {
  // python3 -c 'import hashlib; print(hashlib.blake2b(b"abc", digest_size=32).hexdigest())'
  EXPECT_EQ(audit_hash("abc"), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST_F(Audit, AnEmptyLogHoldsAndItsHeadIsZeros) {
  EXPECT_EQ(checked().records, 0);
  EXPECT_EQ(checked().broken, 0);
  EXPECT_EQ(checked().head, std::string(64, '0'));
}

TEST_F(Audit, ARecordIsSortedJsonThatHoldsTheHashBefore) {
  append("a", {{"replicas", 2}});
  append("b");
  const auto all = records();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(
      all[0].text,
      R"({"action":"deploy","at":"2026-11-24T06:55:01.000Z","by":{"pid":4711,"uid":1000,"via":"control"},)"
      R"("details":{"replicas":2},"number":1,"outcome":"done","previous":")" +
          std::string(64, '0') + R"(","subject":"a"})");
  EXPECT_EQ(all[0].hash, audit_hash(all[0].text));
  EXPECT_EQ(json::parse(all[1].text)["previous"], all[0].hash);
  const AuditCheck check = checked();
  EXPECT_EQ(check.records, 2);
  EXPECT_EQ(check.broken, 0) << check.why;
  EXPECT_EQ(check.head, all[1].hash);
}

TEST_F(Audit, AnyOneChangedByteIsFoundAtItsRecord) {
  fill(5);
  const std::string text = records()[2].text;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = changed[at] == '1' ? '2' : '1';
    Statement write = database_.prepare("UPDATE audit SET record = ? WHERE number = 3");
    tamper("");
    ASSERT_TRUE(write.bind(changed).step());
    const AuditCheck check = checked();
    ASSERT_EQ(check.broken, 3) << changed;
    ASSERT_EQ(check.why, "it is not what was written");
    ASSERT_EQ(check.records, 5);
  }
}

TEST_F(Audit, ARecordThatIsReplacedWithItsHashBreaksTheNext) {
  fill(5);
  json forged = json::parse(records()[2].text);
  forged["by"]["uid"] = 0;
  tamper("UPDATE audit SET record = '" + forged.dump() + "', hash = '" + audit_hash(forged.dump()) +
         "' WHERE number = 3");
  EXPECT_EQ(checked().broken, 4);
  EXPECT_THAT(checked().why, HasSubstr("does not continue record 3"));
}

TEST_F(Audit, MissingRecordsAreNamed) {
  fill(6);
  tamper("DELETE FROM audit WHERE number = 3");
  EXPECT_EQ(checked().broken, 3);
  EXPECT_THAT(checked().why, HasSubstr("missing; record 4 stands in its place"));
  tamper("DELETE FROM audit WHERE number = 1");
  EXPECT_EQ(checked().broken, 1);
  EXPECT_EQ(checked().records, 4);
}

TEST_F(Audit, RenumberingHidesNothing) {
  fill(4);
  tamper("DELETE FROM audit WHERE number = 2; UPDATE audit SET number = number - 1 WHERE number > 2");
  EXPECT_EQ(checked().broken, 2);
  EXPECT_THAT(checked().why, HasSubstr("not a record of that number"));
}

TEST_F(Audit, ACutEndIsSeenOnlyAgainstAHeadThatWasKept) {
  fill(5);
  const std::string kept = checked().head;
  EXPECT_EQ(checked().broken, 0);
  const auto holds = [&] { return std::ranges::count(records(), kept, &AuditRecord::hash) == 1; };
  EXPECT_TRUE(holds());
  tamper("DELETE FROM audit WHERE number > 3");
  EXPECT_FALSE(holds());
  fill(2);  // the log goes on, and still does not have it
  EXPECT_EQ(checked().broken, 0);
  EXPECT_FALSE(holds());
}

TEST_F(Audit, ARecordCannotBeChangedOrTakenOutByOurOwnHand) {
  fill(2);
  EXPECT_FALSE(database_.execute("UPDATE audit SET record = '' WHERE number = 1"));
  EXPECT_FALSE(database_.execute("DELETE FROM audit"));
  EXPECT_EQ(checked().records, 2);
}

TEST_F(Audit, ARecordIsWrittenWithItsChangeOrNotAtAll) {
  {
    auto transaction = Transaction::begin(database_);
    append("a");
  }
  EXPECT_EQ(checked().records, 0) << "the transaction was given up";
  auto transaction = Transaction::begin(database_);
  append("a");
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(checked().records, 1);
}

TEST_F(Audit, WhatIsLongIsBoundedAndWhatIsNoTextIsRepaired) {
  append(std::string(10'000, 'x') + "\xff", {{"models", std::string(100'000, 'y')}});
  append("\xff\xfe");
  const auto all = records();
  const json first = json::parse(all[0].text);
  EXPECT_EQ(first["subject"].get<std::string>().size(), kMaxAuditSubject);
  EXPECT_EQ(first["details"]["hash"].get<std::string>().size(), 64u);
  EXPECT_LT(all[0].text.size(), 1000u);
  EXPECT_EQ(json::parse(all[1].text)["subject"], "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(checked().broken, 0);
}

TEST_F(Audit, AHundredRecordsTakeHalfAKilobyteEach) {
  const auto size = [&] {
    EXPECT_TRUE(database_.execute("PRAGMA wal_checkpoint(TRUNCATE)"));
    return std::filesystem::file_size(folder_.path / "state.db");
  };
  const auto before = size();
  for (int i = 0; i < 100; ++i)
    append("smollm2-135m", {{"source", "/home/somebody/models/values-smollm2-135m.yaml"},
                            {"values", audit_hash("")},
                            {"replicas", 2}});
  EXPECT_LT(size() - before, 100u * 640);
}

TEST(AuditOfOldState, IsSaidToBeMissing) {
  TestFolder folder;
  const Database database = *Database::open(folder.path / "state.db");
  const auto check = AuditLog(database).check();
  ASSERT_FALSE(check);
  EXPECT_EQ(check.error().code(), base::ErrorCode::not_found);
}

}  // namespace
}  // namespace slipway::store
