// seccomp refuses by list, not by default: llama.cpp, glibc and GPU drivers use many calls, and a forgotten
// one in a white list would end a replica months later. What reaches other processes, the network, other
// programs or the kernel's configuration is on the list; files are Landlock's, which does have a white list.
// Refused calls say EPERM.
#include "io/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "io/process.h"

namespace slipway::io {
namespace {

using base::Error;
using base::ErrorCode;

// By name, so that a call that this libseccomp or processor does not know is passed over.
constexpr const char* kRefused[] = {
    // sockets: the inherited ones stay usable (accept4, recvmsg, sendmsg)
    "socket", "socketpair", "connect", "bind", "listen",
    // other programs and processes
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal",
    // ways around a filter: io_uring performs calls that seccomp does not see
    "io_uring_setup", "io_uring_enter", "io_uring_register",
    // name spaces, mounts, handles
    "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "name_to_handle_at", "open_by_handle_at",
    // the kernel
    "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "init_module",
    "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct",
    "quotactl", "syslog", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname",
    "setdomainname", "personality", "iopl", "ioperm", "fanotify_init", "lookup_dcookie", "vhangup"};

struct FreeFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};

Error sandbox_error(std::string_view step, int reason) {
  return {ErrorCode::internal,
          fmt::format("cannot lock the process in ({}): {}", step, std::strerror(reason))};
}

base::Result<void> add_rules(scmp_filter_ctx filter) {
  for (const char* name : kRefused) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR) continue;
    const int result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
    if (result != 0 && result != -EDOM && result != -EFAULT) return sandbox_error(name, -result);
  }
  // Threads may be made, processes not. The flags of clone3 lie in memory, which a filter cannot read: glibc
  // falls back to clone when clone3 does not exist.
  const scmp_arg_cmp no_thread{0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0};
  int result = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &no_thread);
  if (result == 0) result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (result != 0) return sandbox_error("clone", -result);
  return {};
}

base::Result<void> load_filter() {
  const std::unique_ptr<void, FreeFilter> filter(seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) return sandbox_error("seccomp_init", ENOMEM);
  SLIPWAY_RETURN_IF_ERROR(add_rules(filter.get()));
  int result = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);  // threads that exist, too
  if (result == 0) result = seccomp_load(filter.get());
  if (result != 0) return sandbox_error("seccomp", -result);
  return {};
}

// The interface's versions: 2 adds refer, 3 truncate, 4 TCP, 5 ioctl of devices, 6 scopes.
struct LandlockVersion {
  int abi;
  std::uint64_t files() const {
    constexpr std::uint64_t kFirst = (1ULL << 13) - 1;
    std::uint64_t rights = kFirst;
    if (abi >= 2) rights |= 1ULL << 13;
    if (abi >= 3) rights |= kTruncate;
    if (abi >= 5) rights |= kIoctl;
    return rights;
  }
  static constexpr std::uint64_t kTruncate = 1ULL << 14, kIoctl = 1ULL << 15;
};

// As the kernel declares it since interface 6; older kernels take the shorter forms.
struct LandlockRuleset {
  std::uint64_t files;
  std::uint64_t network;
  std::uint64_t scoped;
};

int open_ruleset(LandlockVersion version) {
  LandlockRuleset attributes{version.files(), 0, 0};
  std::size_t size = sizeof(std::uint64_t);
  if (version.abi >= 4) {
    attributes.network = 3;  // bind and connect
    size = 2 * sizeof(std::uint64_t);
  }
  if (version.abi >= 6) {
    attributes.scoped = 3;  // abstract unix sockets and signals, to processes outside
    size = sizeof(attributes);
  }
  return static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
}

base::Result<void> allow(int ruleset, const std::string& path, std::uint64_t rights) {
  const Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  // What is not there cannot be read either: a machine without this part of /sys, a GPU without that device.
  if (!fd) return errno == ENOENT ? base::Result<void>() : sandbox_error(path, errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return sandbox_error(path, errno);
  if (!S_ISDIR(status.st_mode)) rights &= ~static_cast<std::uint64_t>(LANDLOCK_ACCESS_FS_READ_DIR);
  const landlock_path_beneath_attr rule{.allowed_access = rights, .parent_fd = fd.get()};
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    return sandbox_error(path, errno);
  return {};
}

// What NVIDIA's driver library reads, and libraries that it loads late. It must have been started before: it
// makes a socket then.
constexpr const char* kGpuReadable[] = {"/usr/lib",        "/usr/lib64",       "/usr/local/nvidia",
                                        "/usr/local/cuda", "/etc/ld.so.cache", "/proc/driver",
                                        "/proc/devices",   "/proc/modules",    "/proc/sys/vm",
                                        "/sys/bus/pci",    "/sys/devices",     "/sys/module"};

// CUDA names its threads there.
constexpr const char* kThreadNames = "/proc/self/task";

std::vector<std::string> gpu_devices() {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/dev", error))
    if (entry.path().filename().native().starts_with("nvidia")) found.push_back(entry.path());
  return found;
}

base::Result<void> restrict_files(const SandboxSpec& spec, LandlockVersion version) {
  constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  const Fd ruleset(open_ruleset(version));
  if (!ruleset) return sandbox_error("landlock_create_ruleset", errno);
  for (const std::string& path : spec.readable) SLIPWAY_RETURN_IF_ERROR(allow(ruleset.get(), path, kRead));
  for (const char* path : {"/dev/null", "/dev/urandom"})
    SLIPWAY_RETURN_IF_ERROR(allow(ruleset.get(), path, kRead));
  if (spec.allow_gpu) {
    const std::uint64_t rights =
        kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | (version.files() & LandlockVersion::kIoctl);
    const std::vector<std::string> devices = gpu_devices();
    for (const std::string& path : devices) SLIPWAY_RETURN_IF_ERROR(allow(ruleset.get(), path, rights));
    if (!devices.empty()) {
      for (const char* path : kGpuReadable) SLIPWAY_RETURN_IF_ERROR(allow(ruleset.get(), path, kRead));
      SLIPWAY_RETURN_IF_ERROR(
          allow(ruleset.get(), kThreadNames,
                kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | (version.files() & LandlockVersion::kTruncate)));
    }
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return sandbox_error("landlock_restrict_self", errno);
  return {};
}

std::size_t threads_of_this_process() {
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/self/task", error);
  return error ? 1 : static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

void add_missing(SandboxReport& report, std::string_view what) {
  if (!report.missing.empty()) report.missing += "; ";
  report.missing += what;
}

}  // namespace

base::Result<SandboxReport> enter_sandbox(const SandboxSpec& spec) {
  SandboxReport report;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return sandbox_error("no_new_privs", errno);
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0)
    return sandbox_error("core limit", errno);  // a dump would hold prompts
  const std::size_t threads = threads_of_this_process();
  const LandlockVersion version{
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION))};
  if (version.abi > 0) {
    SLIPWAY_RETURN_IF_ERROR(restrict_files(spec, version));
    report.landlock = true;
    if (threads > 1)
      add_missing(report, fmt::format("{} threads that already ran are not under Landlock", threads - 1));
  } else {
    add_missing(report, "this kernel has no Landlock (5.13 or later, enabled), so files are not restricted");
  }
  if (const base::Result<void> loaded = load_filter())
    report.seccomp = true;
  else
    add_missing(report, loaded.error().message());
  return report;
}

}  // namespace slipway::io
