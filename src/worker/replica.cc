#include "worker/replica.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <future>
#include <semaphore>

#include "codec/error_body.h"
#include "engine/chat.h"
#include "engine/devices.h"
#include "engine/engine.h"
#include "engine/llama_log.h"
#include "engine/vocabulary.h"
#include "io/proc.h"
#include "io/sandbox.h"
#include "io/service.h"
#include "telemetry/log.h"
#include "worker/beats.h"
#include "worker/control_pipe.h"
#include "worker/service.h"

namespace slipway::worker {

using base::Error, base::ErrorCode, base::Result;

namespace {

// The supervisor has its own, shorter patience; this one ends a drain that nobody supervises.
constexpr base::Duration kDrainTime = std::chrono::minutes(10);
constexpr std::uint64_t kMaxBody = 16u << 20;

Result<domain::CrashPage*> map_crash_page(int fd) {
  if (fd < 0) return nullptr;
  void* page = ::mmap(nullptr, sizeof(domain::CrashPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) return Error(ErrorCode::start_failed, "the crash page cannot be mapped");
  ::close(fd);
  auto* crash_page = static_cast<domain::CrashPage*>(page);
  crash_page->count = 0;
  crash_page->magic = domain::CrashPage::kMagic;
  return crash_page;
}

Result<void> enter_sandbox(const domain::LoadPlan& plan) {
  io::SandboxSpec spec;
  spec.allow_gpu = plan.device != "cpu";
  spec.readable = {plan.path,       "/sys/devices/system/cpu", "/sys/devices/system/node",
                   "/proc/self",    "/proc/cpuinfo",           "/proc/meminfo",
                   "/etc/localtime"};
  SLIPWAY_TRY(const io::SandboxReport report, io::enter_sandbox(spec));
  if (!report.missing.empty()) telemetry::log(telemetry::Level::warn, "sandbox", report.missing);
  return {};
}

void log_engine(engine::LogLevel level, std::string_view line) {
  if (level < engine::LogLevel::warning) return;
  telemetry::log(level == engine::LogLevel::error ? telemetry::Level::error : telemetry::Level::warn,
                 "engine", line);
}

class Replica {
 public:
  explicit Replica(codec::WorkerArguments arguments)
      : arguments_(std::move(arguments)),
        control_(arguments_.control_fd),
        loop_("http"),
        server_(loop_, server_options(), [this](io::Exchange& exchange) { return handle(exchange); }) {}

  int run() {
    auto loaded = load();
    if (!loaded) {
      const Error& error = loaded.error();
      telemetry::log(telemetry::Level::error, "start_failed", error.message());
      control_.send(domain::WorkerFailed{base::code_name(error.code()), error.message(),
                                         std::string(error.next_step())});
      return 1;
    }
    serve();
    wanted_.acquire();
    drain();
    return 0;
  }

 private:
  static io::HttpServerOptions server_options() {
    io::HttpServerOptions options;
    options.max_body = kMaxBody;
    return options;
  }

  Result<void> listen() {
    if (arguments_.listen.starts_with("fd:"))
      return server_.listen_fd(std::atoi(arguments_.listen.c_str() + 3));
    SLIPWAY_TRY(const io::Endpoint endpoint, io::parse_endpoint(arguments_.listen));
    return server_.listen(endpoint);
  }

  // Everything up to a loaded engine; on the main thread, before others exist where the sandbox needs that.
  Result<void> load() {
    SLIPWAY_RETURN_IF_ERROR(listen());
    SLIPWAY_TRY(domain::CrashPage * crash_page, map_crash_page(arguments_.crash_page_fd));
    io::on_signals(loop_, {SIGTERM, SIGINT}, [this](int) { on_terminate(); });
    control_.watch(loop_, [] { std::_Exit(0); });
    engine::capture_llama_log(log_engine);
    SLIPWAY_RETURN_IF_ERROR(engine::start_device(arguments_.plan.device));
    SLIPWAY_RETURN_IF_ERROR(enter_sandbox(arguments_.plan));
    loop_.every(Beats::kPeriod, [this] { beat(); });
    loop_.start();
    SLIPWAY_TRY(const codec::GgufInfo file, check_model_file(arguments_.plan.path));
    complete_plan(arguments_.plan, file, io::machine().processors);
    engine::LoadHooks hooks;
    hooks.progress = [this](const domain::WorkerProgress& progress) { control_.send(progress); };
    hooks.beat = [this] { beats_.mark(); };
    hooks.crash_page = crash_page;
    hooks.log = log_engine;
    watch_steps(registry_, arguments_.plan.model_id, hooks);
    SLIPWAY_TRY(engine_, engine::Engine::load(arguments_.plan, hooks, arguments_.max_queue));
    format_ = std::make_unique<engine::ChatFormat>(engine_->vocabulary().model());
    return {};
  }

  void serve() {
    std::promise<void> serving;
    loop_.post([&] {
      service_ = std::make_unique<Service>(loop_, *engine_, *format_, registry_, arguments_.strikes);
      serving.set_value();
    });
    serving.get_future().wait();
    control_.send(domain::WorkerReady{engine_->facts()});
    telemetry::log(telemetry::Level::info, "ready", arguments_.plan.model_id);
  }

  // The engine first: its requests end, and with them the answers; then the connections.
  void drain() {
    loop_.post([this] { service_->refuse_new(); });
    engine_->drain(base::Deadline::after(kDrainTime));
    std::promise<void> closed;
    loop_.spawn(close_connections(closed));
    closed.get_future().wait();
    control_.send(domain::WorkerDrained{});
  }

  io::Task<> close_connections(std::promise<void>& closed) {
    static_cast<void>(co_await server_.drain(base::Deadline::after(kDrainTime)));
    closed.set_value();
  }

  io::Task<> handle(io::Exchange& exchange) {
    if (service_) return service_->handle(exchange);
    return not_ready(exchange);
  }

  static io::Task<> not_ready(io::Exchange& exchange) {
    const Error error(ErrorCode::no_replica, "the model is still loading");
    const std::string body = codec::openai_error(error, "");
    static_cast<void>(co_await exchange.respond(503, {{"content-type", "application/json"}}, body));
  }

  // On the loop. Before the model is there nothing needs draining.
  void on_terminate() {
    if (!service_ || terminating_) std::_Exit(0);
    terminating_ = true;
    wanted_.release();
  }

  void beat() {
    if (!service_) {
      if (beats_.moved()) control_.send(domain::WorkerBeat{});
      return;
    }
    if (const auto due = beats_.take(engine_->stats(), loop_.now())) control_.send(*due);
  }

  codec::WorkerArguments arguments_;
  ControlPipe control_;
  telemetry::Registry registry_;
  Beats beats_;
  std::binary_semaphore wanted_{0};  // released when the process shall end
  bool terminating_ = false;         // loop thread
  std::unique_ptr<engine::ChatFormat> format_;
  io::Loop loop_;
  io::HttpServer server_;
  std::unique_ptr<Service> service_;        // made on the loop
  std::unique_ptr<engine::Engine> engine_;  // goes first: its sinks reach into the service
};

}  // namespace

void complete_plan(domain::LoadPlan& plan, const codec::GgufInfo& file, int processors) {
  constexpr int kDefaultContext = 4096;
  constexpr int kDefaultParallel = 8;
  const int trained =
      file.context_length > 0 ? static_cast<int>(std::min(file.context_length, 1u << 30)) : kDefaultContext;
  if (plan.context_tokens == 0) plan.context_tokens = std::min(trained, kDefaultContext);
  if (plan.parallel == 0) plan.parallel = kDefaultParallel;
  if (plan.kv_tokens == 0) plan.kv_tokens = plan.context_tokens * std::min(plan.parallel, 4);
  plan.kv_tokens = std::max(plan.kv_tokens, plan.context_tokens);
  if (plan.threads == 0) plan.threads = std::max(1, processors);
}

Result<codec::GgufInfo> check_model_file(const std::string& path) {
  const io::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0)
    return Error(ErrorCode::load_failed,
                 "the model file " + path + " cannot be opened: " + std::strerror(errno));
  codec::GgufSource source;
  source.size = static_cast<std::uint64_t>(status.st_size);
  source.read = [&](std::uint64_t offset, std::span<std::byte> out) -> Result<void> {
    while (!out.empty()) {
      const ssize_t n = ::pread(fd.get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (n <= 0) return Error(ErrorCode::load_failed, "the model file " + path + " cannot be read");
      out = out.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return {};
  };
  return codec::read_gguf(source);
}

void run_replica(codec::WorkerArguments arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  Replica replica(std::move(arguments));
  const int code = replica.run();
  // No destructors: the loops still run, and the kernel gives a model's memory back faster than we can.
  std::fflush(nullptr);
  std::_Exit(code);
}

}  // namespace slipway::worker
