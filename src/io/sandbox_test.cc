#include "io/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "io/address.h"

namespace slipway::io {
namespace {

// Runs `f` in a forked child that is locked in first; its result is the exit code.
int locked_in(const SandboxSpec& spec, const std::function<int(const SandboxReport&)>& f) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto report = enter_sandbox(spec);
    if (!report) std::fprintf(stderr, "%s\n", report.error().to_string().c_str());
    ::_exit(report ? f(*report) : 99);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool kernel_has_landlock() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

TEST(SandboxTest, SaysWhatItDidAndWhatIsMissing) {
  EXPECT_EQ(locked_in({},
                      [](const SandboxReport& r) {
                        return r.seccomp && r.landlock == kernel_has_landlock() &&
                                       r.missing.empty() == r.landlock
                                   ? 0
                                   : 1;
                      }),
            0);
}

TEST(SandboxTest, NoSocketCanBeMade) {
  EXPECT_EQ(locked_in({},
                      [](const SandboxReport&) {
                        if (::socket(AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM) return 1;
                        return ::socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EPERM ? 0 : 2;
                      }),
            0);
}

TEST(SandboxTest, AnInheritedSocketStillAccepts) {
  const auto listener = listen_on({"", "127.0.0.1", 0}, false);
  SocketAddress address;
  address.size = sizeof(address.storage);
  ::getsockname(listener->get(), address.get(), &address.size);
  const Fd client(::socket(AF_INET, SOCK_STREAM, 0));
  ASSERT_EQ(::connect(client.get(), address.get(), address.size), 0);
  EXPECT_EQ(locked_in({},
                      [&](const SandboxReport&) {
                        const int fd = ::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC);
                        return fd >= 0 && ::send(fd, "x", 1, MSG_NOSIGNAL) == 1 ? 0 : 1;
                      }),
            0);
}

TEST(SandboxTest, NoProgramAndNoProcessCanBeStarted) {
  EXPECT_EQ(locked_in({.readable = {"/"}},
                      [](const SandboxReport&) {
                        char* const argv[] = {nullptr};
                        if (::execv("/bin/true", argv) != -1 || errno != EPERM) return 1;
                        return ::fork() == -1 && errno == EPERM ? 0 : 2;
                      }),
            0);
}

TEST(SandboxTest, OtherProcessesCannotBeTraced) {
  EXPECT_EQ(locked_in({},
                      [](const SandboxReport&) {
                        return ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr) == -1 && errno == EPERM
                                   ? 0
                                   : 1;
                      }),
            0);
}

TEST(SandboxTest, OnlyNamedFilesAreReadableAndNoneIsWritable) {
  if (!kernel_has_landlock()) GTEST_SKIP() << "this kernel has no Landlock";
  std::string pattern = std::filesystem::temp_directory_path() / "slipway-sandbox-XXXXXX";
  const std::filesystem::path dir = ::mkdtemp(pattern.data());
  std::ofstream(dir / "model") << "weights";
  std::ofstream(dir / "other") << "secret";
  const int result = locked_in({.readable = {dir / "model", dir / "absent"}}, [&](const SandboxReport&) {
    if (::open((dir / "model").c_str(), O_RDONLY) < 0) return 1;
    if (::open((dir / "model").c_str(), O_RDWR) >= 0) return 2;
    if (::open((dir / "other").c_str(), O_RDONLY) >= 0 || errno != EACCES) return 3;
    if (::open("/etc/passwd", O_RDONLY) >= 0) return 4;
    return ::open((dir / "new").c_str(), O_WRONLY | O_CREAT, 0600) >= 0 ? 5 : 0;
  });
  EXPECT_EQ(result, 0);
  std::filesystem::remove_all(dir);
}

TEST(SandboxTest, AllowingAGpuOpensNothingWhereThereIsNone) {
  if (!kernel_has_landlock()) GTEST_SKIP() << "this kernel has no Landlock";
  if (std::filesystem::exists("/dev/nvidiactl")) GTEST_SKIP() << "this machine has an NVIDIA driver";
  EXPECT_EQ(locked_in({.readable = {}, .allow_gpu = true},
                      [](const SandboxReport&) {
                        return ::open("/usr/lib/os-release", O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
                      }),
            0);
}

TEST(SandboxTest, ThreadsAndMemoryWorkOn) {
  EXPECT_EQ(locked_in({},
                      [](const SandboxReport&) {
                        int seen = 0;
                        std::thread([&] { seen = 1; }).join();
                        void* const memory = ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE,
                                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                        return seen == 1 && memory != MAP_FAILED ? 0 : 1;
                      }),
            0);
}

}  // namespace
}  // namespace slipway::io
