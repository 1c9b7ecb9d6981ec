// What the load client and the mock share: addresses, non-blocking sockets, one epoll set, a clock.
// Benchmarks only: raw system calls, because what measures must cost less than what is measured. Failure: a
// message and exit 2.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

namespace bench {

[[noreturn]] inline void die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(2);
}

inline std::int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family = AF_INET;
};

// "127.0.0.1:8000" or "unix:/path"
inline Address parse_address(std::string_view text) {
  Address a;
  if (text.starts_with("unix:")) {
    auto* un = reinterpret_cast<sockaddr_un*>(&a.storage);
    text.remove_prefix(5);
    if (text.size() >= sizeof(un->sun_path)) die("the socket's path is too long");
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, text.data(), text.size());
    a.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() + 1);
    a.family = AF_UNIX;
    return a;
  }
  const auto colon = text.rfind(':');
  auto* in = reinterpret_cast<sockaddr_in*>(&a.storage);
  in->sin_family = AF_INET;
  if (colon == std::string_view::npos ||
      inet_pton(AF_INET, std::string(text.substr(0, colon)).c_str(), &in->sin_addr) != 1)
    die("want IPV4:PORT or unix:PATH, not " + std::string(text));
  in->sin_port = htons(static_cast<std::uint16_t>(std::atoi(std::string(text.substr(colon + 1)).c_str())));
  a.length = sizeof(sockaddr_in);
  return a;
}

inline int open_socket(const Address& a) {
  const int fd = socket(a.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket: " + std::string(std::strerror(errno)));
  const int one = 1;
  if (a.family == AF_INET) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  return fd;
}

class Poll {
 public:
  Poll() : fd_(epoll_create1(EPOLL_CLOEXEC)) {}
  void add(int fd, std::uint32_t events, void* owner) { control(EPOLL_CTL_ADD, fd, events, owner); }
  void modify(int fd, std::uint32_t events, void* owner) { control(EPOLL_CTL_MOD, fd, events, owner); }
  // Waits until `until_ns` at the latest; nanosecond precision, so that an open loop keeps its times.
  int wait(epoll_event* events, int count, std::int64_t until_ns) {
    const std::int64_t left = until_ns > now_ns() ? until_ns - now_ns() : 0;
    const timespec t{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    const int n = epoll_pwait2(fd_, events, count, &t, nullptr);
    return n < 0 ? 0 : n;
  }

 private:
  void control(int operation, int fd, std::uint32_t events, void* owner) {
    epoll_event e{.events = events, .data = {.ptr = owner}};
    if (epoll_ctl(fd_, operation, fd, &e) != 0) die("epoll_ctl: " + std::string(std::strerror(errno)));
  }
  int fd_;
};

inline void raise_file_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// "--name value" pairs; the programs are called by scripts, so a wrong flag just says so.
class Flags {
 public:
  Flags(int argc, char** argv) : argc_(argc), argv_(argv) {}
  std::string text(const char* name, std::string otherwise) const {
    for (int i = 1; i + 1 < argc_; ++i)
      if (std::string_view(argv_[i]) == name) return argv_[i + 1];
    return otherwise;
  }
  double number(const char* name, double otherwise) const {
    const std::string t = text(name, "");
    return t.empty() ? otherwise : std::atof(t.c_str());
  }
  bool has(const char* name) const {
    for (int i = 1; i < argc_; ++i)
      if (std::string_view(argv_[i]) == name) return true;
    return false;
  }

 private:
  int argc_;
  char** argv_;
};

}  // namespace bench
