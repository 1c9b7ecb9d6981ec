// Locks a process in before it touches a model file: no new privileges, no new sockets, no exec, no ptrace,
// read-only files, rlimits. Uses seccomp (libseccomp), Landlock where the kernel has it, and an empty
// environment.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace slipway::io {

struct SandboxSpec {
  std::vector<std::string>
      readable;            // paths that stay readable (the model, CPU topology under /sys and /proc)
  bool allow_gpu = false;  // /dev/nvidia* with ioctl, and what a driver that already runs reads and writes
};
struct SandboxReport {
  bool seccomp = false;
  bool landlock = false;
  std::string missing;  // what this kernel lacks, in words; empty when complete
};
// What this kernel offers, without entering anything (`slipway doctor`).
SandboxReport sandbox_support();
// Call after the listening socket and the control pipe are open, before the first untrusted byte and before
// other threads are made (Landlock confines the calling thread and what it makes; seccomp confines all). Not
// reversible. Open descriptors keep their rights. Threads, memory and accept on the inherited socket work on;
// refused calls fail with EPERM or EACCES.
base::Result<SandboxReport> enter_sandbox(const SandboxSpec& spec);

}  // namespace slipway::io
