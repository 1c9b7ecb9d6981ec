#include "io/files.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace slipway::io {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = fs::temp_directory_path() / "slipway-files-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~FilesTest() override { fs::remove_all(dir_); }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir_), fs::directory_iterator()));
  }
  fs::path dir_;
};

TEST_F(FilesTest, AWrittenFileIsReadBackWithItsMode) {
  const std::string content = std::string("a\0b", 3) + std::string(200'000, 'x');
  ASSERT_TRUE(write_file_atomic(dir_ / "f", content));
  ASSERT_TRUE(write_file_atomic(dir_ / "f", content + "2", 0640));
  EXPECT_EQ(read_file(dir_ / "f").value(), content + "2");
  struct stat status{};
  ::stat((dir_ / "f").c_str(), &status);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FilesTest, AFailedWriteLeavesTheOldFileAndNothingElse) {
  fs::create_directory(dir_ / "d");
  const auto written = write_file_atomic(dir_ / "d", "x");  // a directory cannot be replaced by a file
  ASSERT_FALSE(written);
  EXPECT_EQ(entries(), 1u);
  EXPECT_EQ(write_file_atomic(dir_ / "none/f", "x").error().code(), ErrorCode::file_unreadable);
}

TEST_F(FilesTest, MissingAndOversizedFilesAreErrorsThatNameThem) {
  const auto missing = read_file(dir_ / "none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::file_unreadable);
  EXPECT_TRUE(missing.error().message().contains((dir_ / "none").native()));
  ASSERT_TRUE(write_file_atomic(dir_ / "f", "0123456789"));
  EXPECT_EQ(read_file(dir_ / "f", 10).value().size(), 10u);
  EXPECT_EQ(read_file(dir_ / "f", 9).error().code(), ErrorCode::bad_value);
}

// Runs `f` in a child process, where ids and mounts may be changed. 77: not possible here.
int in_child(int (*f)(const fs::path&), const fs::path& dir) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(f(dir));
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int write_on_a_full_disk(const fs::path& dir) {
  if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
  if (::mount("none", dir.c_str(), "tmpfs", 0, "size=64k") != 0) return 77;
  if (!write_file_atomic(dir / "f", "old")) return 1;
  const auto written = write_file_atomic(dir / "f", std::string(200'000, 'x'));
  if (written || written.error().code() != ErrorCode::disk_full) return 2;
  const std::string& message = written.error().message();
  if (!message.contains("200.0 kB are needed") || !message.contains("are free")) return 3;
  if (read_file(dir / "f").value() != "old") return 4;
  return std::distance(fs::directory_iterator(dir), fs::directory_iterator()) == 1 ? 0 : 5;
}

TEST_F(FilesTest, AFullDiskIsSaidInNumbersAndTheOldFileStays) {
  const int result = in_child(write_on_a_full_disk, dir_);
  if (result == 77) GTEST_SKIP() << "this user may not mount a tmpfs";
  EXPECT_EQ(result, 0);
}

int read_what_is_not_ours(const fs::path& dir) {
  if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return 77;
  const auto content = read_file(dir / "secret/f");
  if (content || content.error().code() != ErrorCode::permission) return 1;
  return content.error().message().contains("belongs to") ? 0 : 2;
}

TEST_F(FilesTest, RefusedAccessNamesTheOwner) {
  fs::create_directory(dir_ / "secret");
  ASSERT_TRUE(write_file_atomic(dir_ / "secret/f", "x"));
  fs::permissions(dir_ / "secret", fs::perms::none);
  EXPECT_EQ(in_child(read_what_is_not_ours, dir_), 0);
  fs::permissions(dir_ / "secret", fs::perms::owner_all);
}

TEST_F(FilesTest, DirectoriesAreMadeWithTheirParents) {
  ASSERT_TRUE(make_directories(dir_ / "a/b/c"));
  ASSERT_TRUE(make_directories(dir_ / "a/b/c"));
  EXPECT_EQ(fs::status(dir_ / "a/b").permissions(), fs::perms::owner_all);
  ASSERT_TRUE(write_file_atomic(dir_ / "f", ""));
  EXPECT_FALSE(make_directories(dir_ / "f/g"));
}

TEST_F(FilesTest, FreeSpaceOfAFutureDirectoryIsItsParents) {
  EXPECT_GT(free_bytes(dir_).value(), 0u);
  EXPECT_GT(free_bytes(dir_ / "not/yet").value(), 0u);
}

TEST_F(FilesTest, ALockIsHeldByOneAndFreedWithItsHolder) {
  auto first = FileLock::try_lock(dir_ / "lock");
  ASSERT_TRUE(first && *first);
  const auto second = FileLock::try_lock(dir_ / "lock");
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->has_value());
  first->reset();
  EXPECT_TRUE(FileLock::try_lock(dir_ / "lock").value().has_value());
}

TEST_F(FilesTest, PathsFollowTheEnvironment) {
  ::setenv("SLIPWAY_HOME", dir_.c_str(), 1);
  EXPECT_EQ(user_paths().value().state, dir_ / "state");
  ::unsetenv("SLIPWAY_HOME");
  ::setenv("XDG_STATE_HOME", "/x/state", 1);
  ::setenv("XDG_DATA_HOME", "relative", 1);
  ::setenv("XDG_RUNTIME_DIR", dir_.c_str(), 1);
  ::setenv("HOME", "/h", 1);
  const Paths paths = user_paths().value();
  EXPECT_EQ(paths.state, "/x/state/slipway");
  EXPECT_EQ(paths.data, "/h/.local/share/slipway");
  EXPECT_EQ(paths.runtime, dir_ / "slipway");
  ::setenv("XDG_RUNTIME_DIR", (dir_ / "gone").c_str(), 1);
  EXPECT_EQ(user_paths().value().runtime, "/tmp/slipway-" + std::to_string(::getuid()));
}

}  // namespace
}  // namespace slipway::io
