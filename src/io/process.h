// Child processes that cannot outlive us: PDEATHSIG, a pipe whose end-of-file means the parent is gone, and
// pidfds so that a signal never reaches a stranger with a reused pid.
//
// Threads: spawn from the main thread only (PDEATHSIG follows the thread that forked). Waiting is
// asynchronous on a Loop.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/loop.h"

namespace slipway::io {

// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

struct ProcessSpec {
  std::string program;                           // absolute path
  std::vector<std::string> arguments;            // without argv[0]
  std::vector<std::string> environment;          // "NAME=value"; nothing is inherited
  std::vector<std::pair<int, int>> descriptors;  // {ours, number in the child}; all others are closed
  Fd* stderr_to = nullptr;                       // stdout and stderr go there; null = /dev/null
  Fd* stdout_to = nullptr;                       // stdout alone; null = where stderr goes
  bool new_session = false;                      // setsid: for the daemon itself
  bool die_with_parent = true;
};

struct ExitStatus {
  int code = 0;  // exit code, when signal == 0
  int signal = 0;
  std::string describe() const;  // "exit code 1", "killed by SIGSEGV"
};

class Process {
 public:
  static base::Result<Process> spawn(const ProcessSpec& spec);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();  // a child that still runs is killed and reaped
  // Gives the child up: it outlives this object and nobody here reaps it (`slipway up` and its daemon). Spawn
  // it with die_with_parent = false and new_session = true.
  void detach();
  pid_t pid() const;
  // Through the pidfd; a child that is gone is not an error.
  void signal(int number);
  // Loop thread; once. The callback runs on the loop when the child ended and was reaped.
  void on_exit(Loop& loop, std::function<void(ExitStatus)> callback);
  bool running() const;
  // Of a child that ended.
  ExitStatus status() const;

 private:
  Process() = default;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// For workers, which inherit nothing else: CUDA_VISIBLE_DEVICES, when it is set here.
std::vector<std::string> gpu_environment();

base::Result<std::pair<Fd, Fd>> make_pipe();  // {read, write}, close-on-exec
// Runs a program to its end, blocking, for tools such as pip: output is captured up to `limit` bytes.
struct RunResult {
  ExitStatus status;
  std::string output;
};
base::Result<RunResult> run(const ProcessSpec& spec, base::Deadline deadline, std::size_t limit = 1u << 20,
                            const std::function<void(std::string_view)>& on_output = {});

}  // namespace slipway::io
