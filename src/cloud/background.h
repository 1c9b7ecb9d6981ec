// A child that outlives us on purpose: Terraform killed half way leaves resources that no state knows.
//
// It runs in a session of its own, writes into a log file, and its pid is on disk before it starts. When we
// die it goes on; the next run finds it by that file and waits for it. Blocking; threads: main.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/patience.h"
#include "io/tool.h"

namespace slipway::cloud {

struct BackgroundFiles {
  std::filesystem::path log;
  std::filesystem::path pid;
};

struct BackgroundCall {
  std::vector<std::string> arguments;
  std::vector<std::string> variables;
  BackgroundFiles files;
  base::Deadline deadline;
  std::function<void(std::string_view line)> on_line;  // of its output
};

// Runs to the end. At an interrupt it is asked to stop (SIGINT) and waited for, so that its state is saved;
// then the error is `interrupted`. Past the deadline the error is `timeout`, and it goes on.
base::Result<io::ExitStatus> run_in_background(const io::Tool& tool, const BackgroundCall& call,
                                               const io::Patience& patience);

// The former run's process while it lives: its command line must contain `mark`, so that a pid that was
// used again is nobody's.
std::optional<pid_t> living(const BackgroundFiles& files, std::string_view mark);

}  // namespace slipway::cloud
