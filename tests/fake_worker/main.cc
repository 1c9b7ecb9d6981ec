// A slipway-worker without an engine: the same command line, control lines, crash page and HTTP face, and
// every fault that switches.h names. A body that holds POISON crashes it, one that holds STALL hangs it.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "engine.h"
#include "http.h"

int main(int argc, char** argv) {
  using namespace slipway;
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto arguments = codec::decode_worker_arguments(words);
  if (!arguments || !arguments->listen.starts_with("fd:")) {
    std::fprintf(stderr, "%s\n",
                 arguments ? "fake-worker needs --listen fd:N" : arguments.error().message().c_str());
    return 2;
  }
  fake::Engine engine(*arguments, fake::read_switches(arguments->plan.path));

  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, nullptr);
  std::thread([&engine, term] {
    for (int number = 0;;)
      if (::sigwait(&term, &number) == 0) engine.drain();
  }).detach();
  if (arguments->control_fd >= 0)
    std::thread([&engine, fd = arguments->control_fd] {
      char byte;
      while (::read(fd, &byte, 1) > 0) {
      }
      if (!engine.switches().ignores_parent) ::_exit(0);
    }).detach();
  std::thread([&engine] {
    for (;; std::this_thread::sleep_for(std::chrono::milliseconds(50))) engine.beat();
  }).detach();

  engine.load();
  const int listener = std::stoi(arguments->listen.substr(3));
  ::fcntl(listener, F_SETFL, ::fcntl(listener, F_GETFL) & ~O_NONBLOCK);
  fake::serve(listener, engine);
}
