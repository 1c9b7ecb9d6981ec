#include "io/proc.h"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

#include "io/process.h"

namespace slipway::io {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

// The number after `name` in a file of "name value" or "name: value kB" lines.
std::optional<std::uint64_t> field(const std::string& text, std::string_view name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t at = line.find_first_of("0123456789", name.size());
    if (at != std::string::npos) return number(std::string_view(line).substr(at));
  }
  return std::nullopt;
}

// Fields of /proc/<pid>/stat after the command name, which may hold blanks and parentheses. [0] is the state
// (field 3).
std::vector<std::string> stat_fields(pid_t pid) {
  const std::string text = slurp(fmt::format("/proc/{}/stat", pid));
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream in(text.substr(end + 1));
  std::vector<std::string> fields;
  for (std::string word; in >> word;) fields.push_back(word);
  return fields;
}

// The directories of our cgroup for a version 1 controller ("memory") or version 2 (""), from ours up to the
// root.
std::vector<fs::path> cgroup_directories(std::string_view controller) {
  std::istringstream lines(slurp("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    if (std::string_view(line).substr(first + 1, second - first - 1) != controller) continue;
    const fs::path mount = fs::path("/sys/fs/cgroup") / controller;
    std::vector<fs::path> found;
    for (fs::path p = fs::path(line.substr(second + 1));; p = p.parent_path()) {
      found.push_back(mount / p.relative_path());
      if (!p.has_relative_path()) return found;
    }
  }
  return {};
}

struct MemoryLimit {
  std::uint64_t limit, used;
};

std::optional<MemoryLimit> memory_limit_of(const fs::path& dir, const char* limit_file,
                                           const char* used_file) {
  const auto limit = number(slurp(dir / limit_file));
  const auto used = number(slurp(dir / used_file));
  if (!limit || !used) return std::nullopt;  // "max" is no number
  const std::string stat = slurp(dir / "memory.stat");
  // Clean file pages are given back on demand: they count as free.
  std::uint64_t cache = field(stat, "total_inactive_file").value_or(field(stat, "inactive_file").value_or(0));
  return MemoryLimit{*limit, *used - std::min(*used, cache)};
}

void apply_memory_limits(Machine& m) {
  const auto apply = [&m](const std::optional<MemoryLimit>& l) {
    if (!l || l->limit >= m.memory_bytes) return;
    m.memory_bytes = l->limit;
    m.memory_available_bytes = std::min(m.memory_available_bytes, l->limit - std::min(l->limit, l->used));
  };
  for (const fs::path& dir : cgroup_directories("memory"))
    apply(memory_limit_of(dir, "memory.limit_in_bytes", "memory.usage_in_bytes"));
  for (const fs::path& dir : cgroup_directories(""))
    apply(memory_limit_of(dir, "memory.max", "memory.current"));
}

int processors_by_quota() {
  std::uint64_t best = 0;
  const auto apply = [&best](std::optional<std::uint64_t> quota, std::optional<std::uint64_t> period) {
    if (!quota || !period || *period == 0) return;
    const std::uint64_t n = std::max<std::uint64_t>(1, (*quota + *period - 1) / *period);
    best = best == 0 ? n : std::min(best, n);
  };
  for (const char* name : {"cpu", "cpu,cpuacct"})
    for (const fs::path& dir : cgroup_directories(name))
      apply(number(slurp(dir / "cpu.cfs_quota_us")), number(slurp(dir / "cpu.cfs_period_us")));
  for (const fs::path& dir : cgroup_directories("")) {
    const std::string text = slurp(dir / "cpu.max");  // "200000 100000" or "max 100000"
    const std::size_t blank = text.find(' ');
    if (blank != std::string::npos) apply(number(text), number(std::string_view(text).substr(blank + 1)));
  }
  return static_cast<int>(best);
}

}  // namespace

std::optional<ProcessUse> process_use(pid_t pid) {
  const std::vector<std::string> stat = stat_fields(pid);
  if (stat.size() < 22) return std::nullopt;
  const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto count = [&stat](std::size_t i) { return static_cast<double>(number(stat[i]).value_or(0)); };
  const auto pages = number(stat[21]).value_or(0);
  return ProcessUse{(count(11) + count(12)) / ticks,
                    pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
}

std::optional<std::uint64_t> process_start_ticks(pid_t pid) {
  const std::vector<std::string> stat = stat_fields(pid);
  return stat.size() > 19 ? number(stat[19]) : std::nullopt;
}

bool kill_if_same(pid_t pid, std::uint64_t start_ticks) {
  const Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return false;
  // Looked at after the pidfd is held, so that the pid cannot be given to another process in between.
  if (process_start_ticks(pid) != start_ticks) return false;
  return ::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0) == 0;
}

bool wait_for_end(pid_t pid, base::Deadline deadline) {
  const Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return errno == ESRCH;
  while (true) {
    const auto left = deadline.left(base::monotonic_now());
    constexpr base::Duration kMost = std::chrono::hours(1);
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::min(left, kMost));
    pollfd ended{.fd = fd.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ended, 1, static_cast<int>(wait.count())) > 0) return true;
    if (deadline.passed(base::monotonic_now())) return false;
  }
}

std::string process_evidence(pid_t pid) {
  constexpr int kMaxThreads = 64;
  std::string out;
  std::error_code error;
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
    if (++seen > kMaxThreads) break;
    const std::string status = slurp(entry.path() / "status");
    const std::size_t at = status.find("State:\t");
    const std::string state =
        at == std::string::npos ? "?" : status.substr(at + 7, status.find('\n', at) - at - 7);
    std::string name = slurp(entry.path() / "comm");
    while (name.ends_with('\n')) name.pop_back();
    std::string channel = slurp(entry.path() / "wchan");
    if (channel.empty() || channel == "0") channel = "-";
    out += fmt::format("thread {} {}: state {}, waits in {}\n", entry.path().filename().string(), name, state,
                       channel);
  }
  return out;
}

Machine machine() {
  Machine m;
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) m.processors = std::max(1, CPU_COUNT(&set));
  if (const int quota = processors_by_quota(); quota > 0) m.processors = std::min(m.processors, quota);
  const std::string memory = slurp("/proc/meminfo");
  m.memory_bytes = field(memory, "MemTotal:").value_or(0) * 1024;
  m.memory_available_bytes = field(memory, "MemAvailable:").value_or(0) * 1024;
  apply_memory_limits(m);
  return m;
}

std::vector<ProcessorPlace> processor_places() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return {{}};
  std::vector<ProcessorPlace> places;
  for (int id = 0; id < CPU_SETSIZE; ++id) {
    if (!CPU_ISSET(id, &set)) continue;
    const fs::path dir = fmt::format("/sys/devices/system/cpu/cpu{}", id);
    // The lowest sibling's number names the core: core_id alone repeats in every package.
    const auto core = number(slurp(dir / "topology/thread_siblings_list"));
    ProcessorPlace place{id, static_cast<int>(core.value_or(static_cast<std::uint64_t>(id))), 0};
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(dir, ignored))
      if (const std::string name = entry.path().filename(); name.starts_with("node"))
        place.node = static_cast<int>(number(std::string_view(name).substr(4)).value_or(0));
    places.push_back(place);
  }
  return places;
}

std::set<std::string, std::less<>> processor_features() {
  std::istringstream lines(slurp("/proc/cpuinfo"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    std::istringstream words(line.substr(std::min(line.size(), line.find(':') + 1)));
    std::set<std::string, std::less<>> features;
    for (std::string word; words >> word;) features.insert(word);
    return features;
  }
  return {};
}

std::uint64_t oom_kill_count() {
  return field(slurp("/proc/vmstat"), "oom_kill ").value_or(0);
}

}  // namespace slipway::io
