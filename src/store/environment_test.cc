#include "store/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/test_folder.h"

namespace slipway::store {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr base::WallTime kNow{1'795'503'301'000ms};

class Environments : public ::testing::Test {
 protected:
  Environment open(std::string_view name = "local") {
    auto opened = Environment::open(paths_, name, kNow);
    EXPECT_TRUE(opened) << opened.error().to_string();
    return std::move(*opened);
  }
  TestFolder folder_;
  io::Paths paths_{.config = folder_.path / "config",
                   .data = folder_.path / "data",
                   .state = folder_.path / "state",
                   .runtime = folder_.path / "run"};
};

TEST_F(Environments, OnlyOneHolderAtATime) {
  EXPECT_FALSE(*Environment::holder(paths_, "local"));
  {
    const Environment first = open();
    const auto second = Environment::open(paths_, "local", kNow);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), base::ErrorCode::already_running);
    EXPECT_THAT(second.error().message(), HasSubstr("pid " + std::to_string(::getpid())));
    const auto holder = *Environment::holder(paths_, "local");
    ASSERT_TRUE(holder);
    EXPECT_EQ(holder->pid, ::getpid());
    EXPECT_EQ(holder->started, kNow);
    open("other");
  }
  EXPECT_FALSE(*Environment::holder(paths_, "local"));
  open();
}

TEST_F(Environments, AKilledHolderLeavesACleanEnvironmentBehind) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto environment = Environment::open(paths_, "local", kNow);
    const bool good =
        environment &&
        environment->put_deployment(
            {.model_id = "smol", .values = "model: x", .source = "a.yaml", .replicas = 2, .created = kNow});
    (void)!::write(ready[1], good ? "y" : "n", 1);
    ::pause();
    ::_exit(1);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  EXPECT_EQ((*Environment::holder(paths_, "local"))->pid, child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const Environment again = open();
  const auto deployments = *again.deployments();
  ASSERT_EQ(deployments.size(), 1u);
  EXPECT_EQ(deployments[0].model_id, "smol");
  EXPECT_EQ(deployments[0].replicas, 2);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(Environments, DeploymentsAreReplacedRemovedAndOrdered) {
  Environment environment = open();
  const Deployment b{
      .model_id = "b", .values = "v", .source = "catalogue", .replicas = std::nullopt, .created = kNow};
  Deployment a = b;
  a.model_id = "a";
  ASSERT_TRUE(environment.put_deployment(b));
  ASSERT_TRUE(environment.put_deployment(a));
  a.values = "new";
  ASSERT_TRUE(environment.put_deployment(a));
  auto all = *environment.deployments();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].values, "new");
  EXPECT_FALSE(all[1].replicas);
  EXPECT_EQ(all[1].created, kNow);
  EXPECT_TRUE(*environment.remove_deployment("a"));
  EXPECT_FALSE(*environment.remove_deployment("a"));
  EXPECT_EQ(environment.deployments()->size(), 1u);
}

TEST_F(Environments, SettingsSurviveAReopening) {
  {
    Environment environment = open();
    EXPECT_FALSE(*environment.setting("gateway_port"));
    ASSERT_TRUE(environment.set_setting("gateway_port", "8001"));
  }
  const Environment again = open();
  EXPECT_EQ(*again.setting("gateway_port"), "8001");
}

TEST_F(Environments, TheNewestReceiptsAreKept) {
  Environment environment = open();
  for (int i = 0; i < kKeptReceipts + 5; ++i) ASSERT_TRUE(environment.add_receipt("down", "{}", kNow));
  const auto receipts = *environment.receipts();
  EXPECT_EQ(receipts.size(), static_cast<std::size_t>(kKeptReceipts));
  EXPECT_EQ(receipts.front().number, kKeptReceipts + 5);
}

TEST_F(Environments, ACorruptStateIsRefusedNamedAndLeftAsItIs) {
  open();
  const std::string garbage(4096, 'x');
  folder_.write("state/local/state.db", garbage);
  std::filesystem::remove(paths_.state / "local/state.db-wal");
  const auto opened = Environment::open(paths_, "local", kNow);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), base::ErrorCode::state_corrupt);
  EXPECT_THAT(opened.error().message(), HasSubstr((paths_.state / "local/state.db").string()));
  EXPECT_EQ(folder_.read("state/local/state.db"), garbage);
  EXPECT_FALSE(*Environment::holder(paths_, "local")) << "the lock must be free again";
}

TEST_F(Environments, NamesAreCheckedBeforeAnythingIsMade) {
  for (const std::string& bad :
       {"", "Local", "1a", "-a", "a/b", "..", "a b", "abcdefghijklmnopqrstuvwxyz0123456"}) {
    const auto opened = Environment::open(paths_, bad, kNow);
    ASSERT_FALSE(opened) << bad;
    EXPECT_EQ(opened.error().code(), base::ErrorCode::bad_value);
  }
  EXPECT_FALSE(std::filesystem::exists(paths_.state));
}

TEST_F(Environments, ASocketPathThatDoesNotFitIsSaidWithItsLength) {
  paths_.runtime = folder_.path / std::string(100, 'r');
  const auto where = environment_paths(paths_, "local");
  ASSERT_FALSE(where);
  EXPECT_THAT(where.error().message(), HasSubstr("a unix socket takes 107"));
}

TEST_F(Environments, TheFolderKeepsOthersOut) {
  open();
  using std::filesystem::perms;
  EXPECT_EQ(
      std::filesystem::status(paths_.state / "local").permissions() & (perms::group_all | perms::others_all),
      perms::none);
}

}  // namespace
}  // namespace slipway::store
