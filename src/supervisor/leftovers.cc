#include "supervisor/leftovers.h"

#include <fmt/format.h>

#include <sstream>
#include <string>

#include "io/files.h"
#include "io/proc.h"

namespace slipway::supervisor {
namespace {

std::string boot_id() {
  auto text = io::read_file("/proc/sys/kernel/random/boot_id", 64);
  if (!text) return "unknown";
  while (text->ends_with('\n')) text->pop_back();
  return *text;
}

}  // namespace

base::Result<void> record_workers(const std::filesystem::path& file,
                                  const std::vector<WorkerIdentity>& workers) {
  std::string text;
  const std::string boot = boot_id();
  for (const auto& [pid, ticks] : workers) text += fmt::format("{} {} {}\n", pid, ticks, boot);
  return io::write_file_atomic(file, text);
}

std::vector<pid_t> end_leftovers(const std::filesystem::path& file) {
  std::vector<pid_t> killed;
  const auto text = io::read_file(file, 1u << 20);
  if (text) {
    std::istringstream in(*text);
    pid_t pid = 0;
    std::uint64_t ticks = 0;
    std::string boot;
    while (in >> pid >> ticks >> boot)
      if (boot == boot_id() && io::kill_if_same(pid, ticks)) killed.push_back(pid);
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  return killed;
}

}  // namespace slipway::supervisor
