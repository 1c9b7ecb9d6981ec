#include "store/sqlite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "store/environment.h"
#include "store/test_folder.h"

namespace slipway::store {
namespace {

using ::testing::HasSubstr;

std::int64_t number_of(const Database& database, std::string_view sql) {
  Statement statement = database.prepare(sql);
  EXPECT_TRUE(*statement.step());
  return statement.number(0);
}

TEST(Sqlite, ATransactionThatIsNotCommittedLeavesNothing) {
  TestFolder folder;
  const Database database = *Database::open(folder.path / "x.db");
  ASSERT_TRUE(database.execute("CREATE TABLE t (n)"));
  {
    auto transaction = Transaction::begin(database);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(database.execute("INSERT INTO t VALUES (1)"));
  }
  EXPECT_EQ(number_of(database, "SELECT count(*) FROM t"), 0);
  {
    auto transaction = Transaction::begin(database);
    ASSERT_TRUE(database.execute("INSERT INTO t VALUES (1)"));
    ASSERT_TRUE(transaction->commit());
  }
  EXPECT_EQ(number_of(database, "SELECT count(*) FROM t"), 1);
}

TEST(Sqlite, AStatementThatCannotBePreparedFailsAtItsStep) {
  TestFolder folder;
  const Database database = *Database::open(folder.path / "x.db");
  Statement statement = database.prepare("SELECT n FROM missing WHERE n = ?");
  const auto stepped = statement.bind(std::int64_t{1}).step();
  ASSERT_FALSE(stepped);
  EXPECT_THAT(stepped.error().message(), HasSubstr("no such table"));
}

TEST(Sqlite, AnEmptyTextIsNotNull) {
  TestFolder folder;
  const Database database = *Database::open(folder.path / "x.db");
  ASSERT_TRUE(database.execute("CREATE TABLE t (n TEXT NOT NULL)"));
  Statement insert = database.prepare("INSERT INTO t VALUES (?)");
  EXPECT_TRUE(insert.bind(std::string_view()).step());
}

TEST(Sqlite, AFileThatIsNotADatabaseIsCorruptAndNamed) {
  TestFolder folder;
  folder.write("x.db", std::string(8192, 'x'));
  const auto opened = Database::open(folder.path / "x.db");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), base::ErrorCode::state_corrupt);
  EXPECT_THAT(opened.error().message(), HasSubstr("x.db"));
}

TEST(Sqlite, ADamagedPageIsFoundByTheIntegrityCheck) {
  TestFolder folder;
  {
    const Database database = *Database::open(folder.path / "x.db");
    ASSERT_TRUE(database.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT); CREATE INDEX i ON t (s)"));
    ASSERT_TRUE(database.execute("BEGIN"));
    for (int i = 0; i < 500; ++i)
      ASSERT_TRUE(database.execute("INSERT INTO t (s) VALUES (hex(randomblob(32)))"));
    ASSERT_TRUE(database.execute("COMMIT"));
    ASSERT_TRUE(database.check_integrity());
  }
  std::string bytes = folder.read("x.db");
  ASSERT_GT(bytes.size(), 4u * 4096);
  std::fill(bytes.begin() + 3 * 4096, bytes.begin() + 4 * 4096, '\x5a');
  folder.write("x.db", bytes);
  const auto database = Database::open(folder.path / "x.db");
  ASSERT_TRUE(database);
  const auto checked = database->check_integrity();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), base::ErrorCode::state_corrupt);
}

TEST(Migrations, AVersionOneDatabaseKeepsItsDataAndGetsTheNewTables) {
  TestFolder folder;
  const Database database = *Database::open(folder.path / "state.db");
  ASSERT_TRUE(migrate(database, state_migrations().first(1)));
  EXPECT_EQ(number_of(database, "PRAGMA user_version"), 1);
  ASSERT_TRUE(database.execute("INSERT INTO deployments VALUES ('smol', 'model: x', 'a.yaml', 2, 5)"));
  ASSERT_TRUE(migrate(database, state_migrations()));
  EXPECT_EQ(number_of(database, "PRAGMA user_version"), static_cast<std::int64_t>(state_migrations().size()));
  EXPECT_EQ(number_of(database, "SELECT replicas FROM deployments WHERE model_id = 'smol'"), 2);
  EXPECT_EQ(number_of(database, "SELECT count(*) FROM receipts"), 0);
}

TEST(Migrations, RunOnce) {
  TestFolder folder;
  const Database database = *Database::open(folder.path / "state.db");
  ASSERT_TRUE(migrate(database, state_migrations()));
  ASSERT_TRUE(migrate(database, state_migrations()));
}

TEST(Migrations, OneThatFailsLeavesTheVersionBefore) {
  TestFolder folder;
  const Database database = *Database::open(folder.path / "x.db");
  constexpr auto kBroken =
      std::to_array<std::string_view>({"CREATE TABLE a (n)", "CREATE TABLE b (n); CREATE TABLE a (n)"});
  EXPECT_FALSE(migrate(database, kBroken));
  EXPECT_EQ(number_of(database, "PRAGMA user_version"), 1);
  EXPECT_EQ(number_of(database, "SELECT count(*) FROM sqlite_master WHERE name = 'b'"), 0);
}

TEST(Migrations, ADatabaseFromTheFutureIsRefused) {
  TestFolder folder;
  const Database database = *Database::open(folder.path / "state.db");
  ASSERT_TRUE(database.execute("PRAGMA user_version=99"));
  const auto migrated = migrate(database, state_migrations());
  ASSERT_FALSE(migrated);
  EXPECT_THAT(migrated.error().message(), HasSubstr("newer Slipway (schema 99"));
}

}  // namespace
}  // namespace slipway::store
