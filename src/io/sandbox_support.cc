#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include "io/sandbox.h"

namespace slipway::io {
namespace {

bool has_seccomp_filters() {
  std::error_code ignored;
  return std::filesystem::exists("/proc/sys/kernel/seccomp/actions_avail", ignored);
}

// The version query makes no rule set; it fails on kernels without Landlock and where it is switched off.
bool has_landlock() {
#ifdef SYS_landlock_create_ruleset
  return syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
#else
  return false;
#endif
}

}  // namespace

SandboxReport sandbox_support() {
  SandboxReport report{.seccomp = has_seccomp_filters(), .landlock = has_landlock(), .missing = ""};
  if (!report.seccomp) report.missing = "seccomp filters";
  if (!report.landlock) report.missing += report.missing.empty() ? "Landlock" : " and Landlock";
  return report;
}

}  // namespace slipway::io
