#include "cloud/background.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <fstream>

#include "io/files.h"
#include "io/proc.h"

namespace slipway::cloud {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr auto kLook = std::chrono::milliseconds(200);
constexpr auto kStopTime = std::chrono::minutes(5);
constexpr std::size_t kMaxLine = 1u << 20;

// Hands out the complete lines that were added to a file since the last look.
class Tail {
 public:
  explicit Tail(const std::filesystem::path& file) : in_(file, std::ios::binary) {}
  void look(const std::function<void(std::string_view)>& on_line) {
    char buffer[16 * 1024];
    in_.clear();
    while (in_.read(buffer, sizeof(buffer)) || in_.gcount() > 0) {
      rest_.append(buffer, static_cast<std::size_t>(in_.gcount()));
      for (std::size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
        if (on_line) on_line(std::string_view(rest_).substr(0, end));
        rest_.erase(0, end + 1);
      }
      if (rest_.size() > kMaxLine) rest_.clear();
    }
  }

 private:
  std::ifstream in_;
  std::string rest_;
};

// The shell writes its own pid and then becomes the program: no moment in which it runs unrecorded.
Result<io::Process> start(const io::Tool& tool, const BackgroundCall& call) {
  io::Fd log(::open(call.files.log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!log) return Error(ErrorCode::io_failed, fmt::format("{} cannot be written", call.files.log.string()));
  io::ProcessSpec spec{.program = "/bin/sh",
                       .arguments = {"-c", R"(echo $$ > "$0.new" && mv "$0.new" "$0" && exec "$@")",
                                     call.files.pid.string(), tool.path},
                       .environment = io::tool_environment(call.variables),
                       .descriptors = {}};
  spec.arguments.insert(spec.arguments.end(), call.arguments.begin(), call.arguments.end());
  spec.stderr_to = &log;
  spec.new_session = true;
  spec.die_with_parent = false;
  return io::Process::spawn(spec);
}

}  // namespace

Result<io::ExitStatus> run_in_background(const io::Tool& tool, const BackgroundCall& call,
                                         const io::Patience& patience) {
  SLIPWAY_TRY(io::Process process, start(tool, call));
  Tail tail(call.files.log);
  base::Deadline deadline = call.deadline;
  bool asked = false;
  while (!io::wait_for_end(process.pid(), base::Deadline::after(kLook))) {
    tail.look(call.on_line);
    if (patience.interrupted() && !asked) {
      asked = true;
      process.signal(SIGINT);
      deadline = base::Deadline::after(kStopTime);
      patience.tell(fmt::format("{} to stop where it is safe", tool.name), {});
    }
    if (!deadline.passed(base::monotonic_now())) continue;
    const pid_t pid = process.pid();
    process.detach();
    return Error(ErrorCode::timeout,
                 fmt::format("{} (pid {}) has not ended in its time and goes on", tool.name, pid))
        .with_next("Run the same command again: it waits for that process and continues.");
  }
  const bool running = process.running();  // reaps
  tail.look(call.on_line);
  std::error_code ignored;
  std::filesystem::remove(call.files.pid, ignored);
  if (asked)
    return Error(ErrorCode::interrupted,
                 fmt::format("interrupted; {} stopped and saved its state", tool.name));
  if (running) return Error(ErrorCode::io_failed, fmt::format("{} ended without a status", tool.name));
  return process.status();
}

std::optional<pid_t> living(const BackgroundFiles& files, std::string_view mark) {
  const auto text = io::read_file(files.pid, 64);
  if (!text) return std::nullopt;
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), pid);
  if (error != std::errc() || pid <= 1) return std::nullopt;
  std::ifstream command(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  const std::string line((std::istreambuf_iterator<char>(command)), std::istreambuf_iterator<char>());
  if (line.find(mark) == std::string::npos) return std::nullopt;
  return pid;
}

}  // namespace slipway::cloud
