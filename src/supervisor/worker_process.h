// One run of slipway-worker: its descriptors, its words, its end.
//
// The child gets a listening unix socket (fd 3), one end of a control socket pair (fd 4), a crash page (fd
// 5), stdout and stderr into a pipe of ours, and an empty environment. The listening socket is not kept here,
// so that a dead worker refuses connections at once. Start from the main thread (PDEATHSIG).
//
// Ownership: destroying it kills and reaps the child; no event comes after that. Threads: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "codec/worker_arguments.h"
#include "domain/worker_protocol.h"
#include "io/process.h"

namespace slipway::supervisor {

struct WorkerLaunch {
  std::string program;               // absolute path
  std::string socket;                // where it will listen
  codec::WorkerArguments arguments;  // listen, control_fd and crash_page_fd are filled in here
};

struct WorkerEvents {
  std::function<void(const domain::WorkerMessage&)> message;
  std::function<void(const base::Error&)> garbage;  // a control line that is none
  std::function<void(std::string_view)> output;     // a line of stdout or stderr
  // Last event, after the last line (or kStreamGrace after the exit, if somebody keeps a descriptor open).
  // May destroy the WorkerProcess.
  std::function<void(io::ExitStatus)> ended;
};

class WorkerProcess {
 public:
  static constexpr base::Duration kStreamGrace = std::chrono::milliseconds(500);

  static base::Result<std::unique_ptr<WorkerProcess>> start(io::Loop& loop, WorkerLaunch launch,
                                                            WorkerEvents events);
  ~WorkerProcess();
  pid_t pid() const;
  std::uint64_t start_ticks() const;  // with the pid: who exactly (io::process_start_ticks)
  void signal(int number);
  const domain::CrashPage& crash_page() const;

 private:
  struct Impl;
  explicit WorkerProcess(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace slipway::supervisor
