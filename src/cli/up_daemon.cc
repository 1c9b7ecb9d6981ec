// The two ends of a background `up`. The parent starts this program again with `--foreground`, in a session
// of its own, its output in a file, and a pipe on descriptor 3. The child says on the pipe that it serves, or
// why not; a pipe that ends in silence is a child that died.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "cli/client.h"
#include "cli/interrupt.h"
#include "cli/up.h"
#include "control/daemon.h"
#include "io/files.h"
#include "io/process.h"
#include "store/environment.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kReportFd = 3;
constexpr std::size_t kMaxReport = 256 * 1024;
constexpr std::size_t kMaxEvidence = 2000;  // bytes of the daemon's last words in an error

std::vector<std::string> child_arguments(const UpOptions& options, const std::string& environment) {
  std::vector<std::string> arguments{
      "up", "--foreground", "--report-fd", std::to_string(kReportFd), "--environment", environment};
  if (!options.sources.file.empty()) {
    arguments.insert(arguments.end(), {"--file", std::filesystem::absolute(options.sources.file).string()});
  }
  for (const std::string& flag : options.sources.flags) arguments.insert(arguments.end(), {"--set", flag});
  if (options.no_models) arguments.emplace_back("--no-models");
  return arguments;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

// The daemon's stray output (crashes, the C++ library) of this run; the last run's is kept beside it.
base::Result<io::Fd> open_output(const std::filesystem::path& path) {
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(path.parent_path()));
  std::error_code ignored;
  std::filesystem::rename(path, path.string() + ".1", ignored);
  io::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  if (!fd)
    return Error(ErrorCode::permission,
                 fmt::format("cannot write {}: {}", path.string(), std::generic_category().message(errno)));
  return fd;
}

// The report line; empty when the child died or an interrupt came.
std::string read_report(const io::Fd& fd) {
  std::string text;
  char buffer[4096];
  while (text.size() < kMaxReport && text.find('\n') == std::string::npos) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR && !Interrupt::raised()) continue;
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

Error died(const std::filesystem::path& output) {
  auto words = io::read_file(output);
  std::string last = words ? *std::move(words) : "";
  if (last.size() > kMaxEvidence) last.erase(0, last.size() - kMaxEvidence);
  return Error(ErrorCode::internal, "the daemon ended before it served, and did not say why")
      .with_detail(last)
      .with_next(fmt::format("Run `slipway up --foreground` to see it happen; its output is in {}.",
                             output.string()));
}

}  // namespace

void StartReport::send(const Json& value) {
  if (fd_ < 0) return;
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  ::close(std::exchange(fd_, -1));
}

base::Result<int> run_in_foreground(Invocation& invocation, const UpOptions& options,
                                    const LoadedBlueprint& loaded, StartReport& report) {
  control::DaemonOptions daemon;
  daemon.environment = up_environment(invocation.globals, loaded);
  SLIPWAY_TRY(daemon.paths, io::user_paths());
  daemon.blueprint = loaded.blueprint;
  daemon.deploy_models = !options.no_models;
  daemon.on_ready = [&](const control::DaemonReady& ready) {
    if (!report.wanted() && !invocation.globals.quiet) {
      invocation.console.err(
          fmt::format("serving {}/v1 (pid {}); Ctrl-C drains and stops\n", ready.url, ready.pid));
    }
    report.ready({{"url", ready.url}, {"control_socket", ready.control_socket.string()}, {"pid", ready.pid}});
  };
  SLIPWAY_RETURN_IF_ERROR(control::run_daemon(std::move(daemon)));
  return 0;
}

base::Result<Json> start_in_background(const UpOptions& options, const std::string& environment) {
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(const store::EnvironmentPaths where, store::environment_paths(paths, environment));
  const std::filesystem::path output_path = where.directory / kDaemonOutput;
  SLIPWAY_TRY(io::Fd output, open_output(output_path));
  SLIPWAY_TRY(auto pipe, io::make_pipe());
  io::ProcessSpec spec;
  spec.program = std::filesystem::read_symlink("/proc/self/exe").string();
  spec.arguments = child_arguments(options, environment);
  spec.environment = own_environment();
  spec.descriptors = {{pipe.second.get(), kReportFd}};
  spec.stderr_to = &output;
  spec.new_session = true;
  spec.die_with_parent = false;
  SLIPWAY_TRY(io::Process child, io::Process::spawn(spec));
  pipe.second = io::Fd();
  const std::string text = read_report(pipe.first);
  if (Interrupt::raised()) {
    child.signal(SIGTERM);
    return Error(ErrorCode::interrupted, "the start was stopped; nothing runs")
        .with_next("`slipway up` starts again.");
  }
  const Json value = Json::parse(text, nullptr, false);
  if (value.is_object() && value.contains("ready")) {
    child.detach();
    return value["ready"];
  }
  if (value.is_object() && value.contains("error")) return error_from_json(value, 500);
  return died(output_path);
}

}  // namespace slipway::cli
