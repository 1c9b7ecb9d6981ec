#include "io/process_child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace slipway::io {

ChildPlan::ChildPlan(const ProcessSpec& spec, int report)
    : spec_(spec), report_(report), parent_(::getpid()) {
  argv_.push_back(const_cast<char*>(spec.program.c_str()));
  for (const std::string& argument : spec.arguments) argv_.push_back(const_cast<char*>(argument.c_str()));
  argv_.push_back(nullptr);
  for (const std::string& variable : spec.environment) envp_.push_back(const_cast<char*>(variable.c_str()));
  envp_.push_back(nullptr);
  moves_ = spec.descriptors;
  const int output = spec.stderr_to != nullptr ? spec.stderr_to->get() : -1;
  moves_.emplace_back(spec.stdout_to != nullptr ? spec.stdout_to->get() : output, STDOUT_FILENO);
  moves_.emplace_back(output, STDERR_FILENO);
  const bool has_input =
      std::ranges::any_of(spec.descriptors, [](auto d) { return d.second == STDIN_FILENO; });
  if (!has_input) moves_.emplace_back(-1, STDIN_FILENO);
}

void ChildPlan::fail(const char* step) const {
  Failure failure{.reason = errno, .step = {}};
  std::strncpy(failure.step, step, sizeof(failure.step) - 1);
  (void)!::write(report_, &failure, sizeof(failure));
  ::_exit(127);
}

void ChildPlan::reset_signals() const {
  struct sigaction fresh{};
  fresh.sa_handler = SIG_DFL;
  for (int i = 1; i < NSIG; ++i) ::sigaction(i, &fresh, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Everything is first copied above all targets, so that no copy overwrites a source; then all is marked to
// close with exec, and what is copied into place is not.
void ChildPlan::arrange_descriptors() {
  int top = STDERR_FILENO;
  for (const auto& move : moves_) top = std::max(top, move.second);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) fail("open /dev/null");
  report_ = ::fcntl(report_, F_DUPFD_CLOEXEC, top + 1);
  for (auto& [source, target] : moves_) {
    source = ::fcntl(source >= 0 ? source : null, F_DUPFD_CLOEXEC, top + 1);
    if (source < 0) fail("copy a descriptor");
  }
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) fail("close descriptors");
  for (const auto& [source, target] : moves_)
    if (::dup2(source, target) < 0) fail("place a descriptor");
}

void ChildPlan::become() {
  reset_signals();
  if (spec_.new_session && ::setsid() < 0) fail("setsid");
  arrange_descriptors();
  if (spec_.die_with_parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("prctl");
    // The parent died before the signal was asked for.
    if (::getppid() != parent_) ::_exit(127);
  }
  ::execve(argv_[0], argv_.data(), envp_.data());
  fail("exec");
}

}  // namespace slipway::io
