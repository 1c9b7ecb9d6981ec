#include "io/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "io/poller.h"
#include "io/process_child.h"

extern "C" {  // this header of glibc 2.36 does not know C++
#include <sys/pidfd.h>
}

namespace slipway::io {

// Readable once the child ended.
class ExitWatch final : public Watcher {
 public:
  ExitWatch(Loop& loop, int pidfd, std::function<void()> on_end) : pidfd_(pidfd), on_end_(std::move(on_end)) {
    SLIPWAY_CHECK(loop.poller().add(*this, pidfd, EPOLLIN));
  }
  ~ExitWatch() override {
    if (poller_ != nullptr) poller_->remove(*this, pidfd_);
  }

 private:
  void on_events(std::uint32_t) override {
    // The callback may destroy this watch.
    const std::function<void()> on_end = std::exchange(on_end_, {});
    if (on_end) on_end();
  }
  void on_sweep(base::MonotonicTime) override {}

  int pidfd_;
  std::function<void()> on_end_;
};

struct Process::Impl {
  ~Impl();
  // Collects the exit status; false while it runs.
  bool reap(bool block);

  pid_t pid = -1;
  Fd pidfd;
  bool reaped = false;
  ExitStatus status;
  std::optional<ExitWatch> watch;
};

std::string ExitStatus::describe() const {
  if (signal == 0) return fmt::format("exit code {}", code);
  const char* const name = ::sigabbrev_np(signal);
  return name != nullptr ? fmt::format("killed by SIG{}", name) : fmt::format("killed by signal {}", signal);
}

bool Process::Impl::reap(bool block) {
  if (reaped) return true;
  siginfo_t info{};
  int result;
  do result = ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | (block ? 0 : WNOHANG));
  while (result != 0 && errno == EINTR);
  if (result == 0 && info.si_pid == 0) return false;
  reaped = true;
  // ECHILD: somebody set SIGCHLD to be ignored and the kernel reaped it; the status is lost.
  if (result != 0) return true;
  if (info.si_code == CLD_EXITED)
    status.code = info.si_status;
  else
    status.signal = info.si_status;
  return true;
}

Process::Impl::~Impl() {
  watch.reset();
  if (!pidfd || reap(false)) return;
  ::pidfd_send_signal(pidfd.get(), SIGKILL, nullptr, 0);
  reap(true);
}

base::Result<Process> Process::spawn(const ProcessSpec& spec) {
  SLIPWAY_TRY(auto report, make_pipe());
  ChildPlan plan(spec, report.second.get());
  const pid_t pid = ::fork();
  if (pid == 0) plan.become();
  if (pid < 0)
    return base::Error(base::ErrorCode::io_failed,
                       fmt::format("cannot start {}: {}", spec.program, std::strerror(errno)));
  Process process;
  process.impl_ = std::make_shared<Impl>();
  process.impl_->pid = pid;
  // The child is not reaped yet, so that the pid is still its own.
  process.impl_->pidfd = Fd(::pidfd_open(pid, 0));
  SLIPWAY_CHECK(process.impl_->pidfd);
  report.second = Fd();
  ChildPlan::Failure failure{};
  ssize_t n;
  do n = ::read(report.first.get(), &failure, sizeof(failure));
  while (n < 0 && errno == EINTR);
  if (n == 0) return process;  // the pipe closed with exec
  const auto code = failure.reason == ENOENT ? base::ErrorCode::dependency_missing
                    : failure.reason == EACCES || failure.reason == EPERM ? base::ErrorCode::permission
                                                                          : base::ErrorCode::io_failed;
  return base::Error(code, fmt::format("cannot start {} ({}): {}", spec.program, failure.step,
                                       std::strerror(failure.reason)));
}

Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

void Process::detach() {
  impl_->watch.reset();
  impl_->pidfd = Fd();
  impl_->reaped = true;
}

pid_t Process::pid() const {
  return impl_->pid;
}

void Process::signal(int number) {
  if (!impl_->reaped) ::pidfd_send_signal(impl_->pidfd.get(), number, nullptr, 0);
}

bool Process::running() const {
  return !impl_->reap(false);
}

ExitStatus Process::status() const {
  return impl_->status;
}

void Process::on_exit(Loop& loop, std::function<void(ExitStatus)> callback) {
  SLIPWAY_CHECK(loop.may_use() && !impl_->watch);
  impl_->watch.emplace(loop, impl_->pidfd.get(), [impl = impl_.get(), callback = std::move(callback)] {
    impl->reap(true);
    const ExitStatus status = impl->status;
    callback(status);
  });
}

namespace {

// Reads what is there. False at end of file.
bool drain_output(int fd, std::string& output, std::size_t limit,
                  const std::function<void(std::string_view)>& on_output) {
  char buffer[16 * 1024];
  while (true) {
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    const std::string_view bytes(buffer, static_cast<std::size_t>(n));
    output.append(bytes.substr(0, limit - std::min(limit, output.size())));
    if (on_output) on_output(bytes);
  }
}

int milliseconds_left(base::Deadline deadline) {
  constexpr auto kMaxWait = std::chrono::milliseconds(1000);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.left(base::monotonic_now()));
  return static_cast<int>(std::min(left, kMaxWait).count());
}

}  // namespace

std::vector<std::string> gpu_environment() {
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible == nullptr) return {};
  return {std::string("CUDA_VISIBLE_DEVICES=") + visible};
}

base::Result<RunResult> run(const ProcessSpec& spec, base::Deadline deadline, std::size_t limit,
                            const std::function<void(std::string_view)>& on_output) {
  SLIPWAY_TRY(auto pipe, make_pipe());
  ::fcntl(pipe.first.get(), F_SETFL, O_NONBLOCK);
  ProcessSpec with_output = spec;
  with_output.stderr_to = &pipe.second;
  SLIPWAY_TRY(Process process, Process::spawn(with_output));
  pipe.second = Fd();
  const Fd ended(::pidfd_open(process.pid(), 0));
  RunResult result;
  bool open = true;
  // The child's end counts, not the pipe's: a grandchild may hold the pipe for ever.
  while (process.running()) {
    if (deadline.passed(base::monotonic_now()))
      return base::Error(base::ErrorCode::timeout,
                         fmt::format("{} did not end in time and was killed", spec.program))
          .with_detail(result.output);
    pollfd wait[2] = {{ended.get(), POLLIN, 0}, {open ? pipe.first.get() : -1, POLLIN, 0}};
    ::poll(wait, 2, milliseconds_left(deadline));
    if (open) open = drain_output(pipe.first.get(), result.output, limit, on_output);
  }
  if (open) drain_output(pipe.first.get(), result.output, limit, on_output);
  result.status = process.status();
  return result;
}

}  // namespace slipway::io
