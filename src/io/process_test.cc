#include "io/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>

#include "io/proc.h"

namespace slipway::io {
namespace {

using base::ErrorCode;

ProcessSpec shell(std::string script) {
  ProcessSpec spec;
  spec.program = "/bin/sh";
  spec.arguments = {"-c", std::move(script)};
  spec.environment = {"PATH=/usr/bin:/bin"};
  return spec;
}

base::Deadline soon() {
  return base::Deadline::after(std::chrono::seconds(20));
}

TEST(ProcessTest, OutputAndExitCodeComeBack) {
  std::string seen;
  const auto result =
      run(shell("echo out; echo err >&2; exit 3"), soon(), 100, [&](std::string_view s) { seen += s; });
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->output, "out\nerr\n");
  EXPECT_EQ(seen, result->output);
  EXPECT_EQ(result->status.describe(), "exit code 3");
}

TEST(ProcessTest, OutputIsCutAtItsLimitButTheChildRunsOn) {
  const auto result = run(shell("head -c 100000 /dev/zero; exit 1"), soon(), 10);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->output.size(), 10u);
  EXPECT_EQ(result->status.code, 1);
}

TEST(ProcessTest, NothingOfTheEnvironmentIsInherited) {
  ::setenv("SLIPWAY_SECRET", "x", 1);
  const auto result = run(shell("env"), soon());
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->output.contains("SLIPWAY_SECRET")) << result->output;
}

TEST(ProcessTest, OnlyNamedDescriptorsAreOpenInTheChild) {
  const Fd leaked(::fcntl(STDERR_FILENO, F_DUPFD, 40));  // without O_CLOEXEC
  auto pipe = *make_pipe();
  const int second = ::fcntl(pipe.second.get(), F_DUPFD_CLOEXEC, 30);
  ProcessSpec spec = shell("cd /proc/self/fd && echo *; echo through >&7");
  // Crossed numbers: a naive dup2 would overwrite one with the other.
  spec.descriptors = {{second, 7}, {pipe.first.get(), second}};
  const auto result = run(spec, soon());
  ::close(second);
  ASSERT_TRUE(result);
  // 3 is the shell's own, reading the directory.
  EXPECT_EQ(result->output, "0 1 2 3 " + std::to_string(second) + " 7\n");
  char text[16] = {};
  EXPECT_EQ(::read(pipe.first.get(), text, sizeof(text)), 8);
  EXPECT_STREQ(text, "through\n");
}

TEST(ProcessTest, AMissingProgramIsAnErrorOfSpawn) {
  ProcessSpec spec;
  spec.program = "/nonexistent/program";
  const auto process = Process::spawn(spec);
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().code(), ErrorCode::dependency_missing);
  EXPECT_TRUE(process.error().message().contains("/nonexistent/program"));
  spec.program = "/etc/passwd";
  EXPECT_EQ(Process::spawn(spec).error().code(), ErrorCode::permission);
}

TEST(ProcessTest, ExitArrivesOnTheLoop) {
  Loop loop("test");
  auto process = Process::spawn(shell("kill -SEGV $$"));
  ASSERT_TRUE(process) << process.error().to_string();
  std::promise<ExitStatus> ended;
  process->on_exit(loop, [&](ExitStatus s) { ended.set_value(s); });
  loop.start();
  EXPECT_EQ(ended.get_future().get().describe(), "killed by SIGSEGV");
  EXPECT_FALSE(process->running());
}

TEST(ProcessTest, SignalsReachTheChildAndAreHarmlessAfterItsEnd) {
  auto process = Process::spawn(shell("sleep 100"));
  ASSERT_TRUE(process);
  EXPECT_TRUE(process->running());
  Loop loop("test");
  std::promise<ExitStatus> ended;
  process->on_exit(loop, [&](ExitStatus s) { ended.set_value(s); });
  loop.start();
  loop.post([&] { process->signal(SIGTERM); });
  EXPECT_EQ(ended.get_future().get().signal, SIGTERM);
  process->signal(SIGKILL);
}

TEST(ProcessTest, DestroyingAProcessEndsItsChild) {
  pid_t pid = 0;
  {
    auto process = Process::spawn(shell("exec sleep 100"));
    ASSERT_TRUE(process);
    pid = process->pid();
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(ProcessTest, ADetachedChildOutlivesItsProcessAndItsEndCanBeAwaited) {
  auto pipe = *make_pipe();
  ProcessSpec spec = shell("read line <&3");
  spec.descriptors = {{pipe.first.get(), 3}};
  spec.new_session = true;
  spec.die_with_parent = false;
  pid_t pid = 0;
  {
    auto child = Process::spawn(spec);
    ASSERT_TRUE(child);
    pid = child->pid();
    child->detach();
  }
  EXPECT_FALSE(wait_for_end(pid, base::Deadline::after(std::chrono::milliseconds(1))));
  pipe.second = Fd();  // its read ends, and so does it
  EXPECT_TRUE(wait_for_end(pid, soon()));
  ::waitpid(pid, nullptr, 0);
  EXPECT_TRUE(wait_for_end(pid, soon()));  // a pid of nobody
}

TEST(ProcessTest, AChildDoesNotOutliveItsParent) {
  auto pipe = *make_pipe();
  const pid_t middle = ::fork();
  if (middle == 0) {
    // The grandchild holds the pipe's end for as long as it lives.
    ProcessSpec spec = shell("exec sleep 100");
    spec.descriptors = {{pipe.second.get(), 5}};
    auto grandchild = Process::spawn(spec);
    ::raise(SIGKILL);
  }
  pipe.second = Fd();
  int status = 0;
  ::waitpid(middle, &status, 0);
  char c;
  EXPECT_EQ(::read(pipe.first.get(), &c, 1), 0);
}

TEST(ProcessTest, AChildThatTakesTooLongIsKilled) {
  const auto result =
      run(shell("echo begun; sleep 100"), base::Deadline::after(std::chrono::milliseconds(300)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::timeout);
}

TEST(ProcessTest, AGrandchildThatKeepsThePipeDoesNotHoldRun) {
  const auto result = run(shell("sleep 100 & echo $!"), soon());
  ASSERT_TRUE(result) << result.error().to_string();
  ::kill(std::stoi(result->output), SIGKILL);
}

}  // namespace
}  // namespace slipway::io
