#include "supervisor/worker_process.h"

#include <new>
#include <optional>

#include "codec/worker_protocol.h"
#include "io/lines.h"
#include "io/local_socket.h"
#include "io/proc.h"
#include "supervisor/output_tail.h"

namespace slipway::supervisor {

struct WorkerProcess::Impl : std::enable_shared_from_this<Impl> {
  Impl(io::Loop& l, WorkerEvents e, io::SharedMemory memory)
      : loop(l), events(std::move(e)), page_memory(std::move(memory)) {
    page = new (page_memory.data()) domain::CrashPage{};
  }

  void listen_to(io::Fd control_end, io::Fd output_end) {
    const auto on_end = [this] {
      ++streams_over;
      finish();
    };
    control.emplace(
        loop, std::move(control_end), codec::kMaxWorkerLine, [this](std::string_view line) { take(line); },
        on_end);
    output.emplace(
        loop, std::move(output_end), kMaxOutputLine, [this](std::string_view line) { events.output(line); },
        on_end);
    process->on_exit(loop, [weak = weak_from_this()](io::ExitStatus status) {
      if (const auto self = weak.lock()) self->exited(status);
    });
  }

  void take(std::string_view line) {
    const auto message = codec::decode_worker_message(line);
    if (message) {
      events.message(*message);
    } else {
      events.garbage(message.error());
    }
  }

  void exited(io::ExitStatus status) {
    exit = status;
    finish();
    loop.spawn(give_up_on_streams(weak_from_this()));
  }

  static io::Task<> give_up_on_streams(std::weak_ptr<Impl> weak) {
    co_await io::sleep_for(kStreamGrace);
    if (const auto self = weak.lock()) {
      self->streams_over = kStreams;
      self->finish();
    }
  }

  // Posted, so that the owner may destroy us from the event.
  void finish() {
    if (!exit || streams_over < kStreams || finished) return;
    finished = true;
    loop.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->events.ended(*self->exit);
    });
  }

  static constexpr int kStreams = 2;  // control and output
  io::Loop& loop;
  WorkerEvents events;
  io::SharedMemory page_memory;
  domain::CrashPage* page;
  std::optional<io::Process> process;
  std::optional<io::LineReader> control, output;
  std::uint64_t start_ticks = 0;
  std::optional<io::ExitStatus> exit;
  int streams_over = 0;
  bool finished = false;
};

base::Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(io::Loop& loop, WorkerLaunch launch,
                                                                  WorkerEvents events) {
  SLIPWAY_TRY(io::Fd listener, io::listen_unix(launch.socket));
  SLIPWAY_TRY(auto control, io::make_socket_pair());
  SLIPWAY_TRY(auto output, io::make_pipe());
  SLIPWAY_TRY(auto memory, io::SharedMemory::create("slipway-crash-page", sizeof(domain::CrashPage)));
  const int page_fd = memory.fd();
  auto impl = std::make_shared<Impl>(loop, std::move(events), std::move(memory));

  launch.arguments.listen = "fd:3";
  launch.arguments.control_fd = 4;
  launch.arguments.crash_page_fd = 5;
  io::ProcessSpec spec;
  spec.program = launch.program;
  spec.arguments = codec::encode_worker_arguments(launch.arguments);
  spec.environment = io::gpu_environment();
  spec.descriptors = {{listener.get(), 3}, {control.second.get(), 4}, {page_fd, 5}};
  spec.stderr_to = &output.second;
  SLIPWAY_TRY(impl->process, io::Process::spawn(spec));
  impl->start_ticks = io::process_start_ticks(impl->process->pid()).value_or(0);
  control.second = {};  // the child's ends: end of file must mean that the child is gone
  output.second = {};
  impl->listen_to(std::move(control.first), std::move(output.first));
  return std::unique_ptr<WorkerProcess>(new WorkerProcess(std::move(impl)));
}

WorkerProcess::~WorkerProcess() = default;
pid_t WorkerProcess::pid() const {
  return impl_->process->pid();
}
std::uint64_t WorkerProcess::start_ticks() const {
  return impl_->start_ticks;
}
void WorkerProcess::signal(int number) {
  impl_->process->signal(number);
}
const domain::CrashPage& WorkerProcess::crash_page() const {
  return *impl_->page;
}

}  // namespace slipway::supervisor
