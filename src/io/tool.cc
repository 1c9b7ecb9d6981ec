#include "io/tool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <map>

extern char** environ;  // NOLINT(readability-redundant-declaration): unistd.h has it only with _GNU_SOURCE

namespace slipway::io {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr std::size_t kErrTail = 16u << 10;
constexpr auto kVersionTime = std::chrono::seconds(30);
constexpr auto kNames = std::to_array<std::string_view>(
    {"HOME", "PATH", "USER", "LOGNAME", "LANG", "TMPDIR", "TERM", "KUBECONFIG", "SSL_CERT_FILE",
     "SSL_CERT_DIR", "NO_PROXY", "no_proxy", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"});
constexpr auto kPrefixes = std::to_array<std::string_view>({"AWS_", "TF_", "XDG_", "HELM_", "LC_", "PYENV_"});
constexpr auto kSuffixes = std::to_array<std::string_view>({"_PROXY", "_proxy"});

bool passes(std::string_view name) {
  return std::ranges::find(kNames, name) != kNames.end() ||
         std::ranges::any_of(kPrefixes, [&](auto p) { return name.starts_with(p); }) ||
         std::ranges::any_of(kSuffixes, [&](auto s) { return name.ends_with(s); });
}

std::string on_path(std::string_view name) {
  const char* const path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    std::string file = fmt::format("{}/{}", folder, name);
    if (folder.starts_with('/') && ::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

std::string first_version(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!digit(text[i])) continue;
    std::size_t end = i;
    while (end < text.size() &&
           (digit(text[end]) || (text[end] == '.' && end + 1 < text.size() && digit(text[end + 1]))))
      ++end;
    const std::string_view found = text.substr(i, end - i);
    if (found.find('.') != std::string_view::npos) return std::string(found);
    i = end;
  }
  return {};
}

// stdin of a child: a file in memory, so that its size has no bound and nobody else can read it.
Result<Fd> memory_file(std::string_view text) {
  Fd file(static_cast<int>(::syscall(SYS_memfd_create, "input", 1u /* MFD_CLOEXEC */)));
  while (file && !text.empty()) {
    const ssize_t n = ::write(file.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error(ErrorCode::io_failed, "the input of a program cannot be held in memory");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (!file || ::lseek(file.get(), 0, SEEK_SET) != 0)
    return Error(ErrorCode::io_failed, "the input of a program cannot be held in memory");
  return file;
}

struct Stream {
  Fd fd;
  std::string* text;
  std::size_t limit;
  bool tail;  // keep the end, not the beginning
};

// False once it ended.
bool read_some(Stream& stream) {
  char buffer[16 * 1024];
  while (true) {
    const ssize_t n = ::read(stream.fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    std::string& text = *stream.text;
    const auto size = static_cast<std::size_t>(n);
    if (stream.tail) {
      text.append(buffer, size);
      if (text.size() > stream.limit) text.erase(0, text.size() - stream.limit);
    } else {
      text.append(buffer, std::min(size, stream.limit - std::min(stream.limit, text.size())));
    }
  }
}

void follow(Process& process, std::array<Stream, 2>& streams, base::Deadline deadline, bool& late) {
  const Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, process.pid(), 0)));
  while (process.running()) {
    const auto now = base::monotonic_now();
    if (deadline.passed(now)) {
      late = true;
      process.signal(SIGKILL);
    }
    pollfd wait[3] = {
        {ended.get(), POLLIN, 0}, {streams[0].fd.get(), POLLIN, 0}, {streams[1].fd.get(), POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.left(now));
    ::poll(wait, 3, static_cast<int>(std::clamp<std::int64_t>(left.count(), 1, 1000)));
    for (Stream& stream : streams)
      if (stream.fd && !read_some(stream)) stream.fd = Fd();
  }
  for (Stream& stream : streams)
    if (stream.fd) read_some(stream);
}

}  // namespace

std::string ToolAnswer::why() const {
  std::string_view words = err.empty() ? out : err;
  while (words.ends_with('\n')) words.remove_suffix(1);
  constexpr std::size_t kShown = 2000;
  if (words.size() > kShown) words.remove_prefix(words.size() - kShown);
  return words.empty() ? status.describe() : std::string(words);
}

bool older_version(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const auto next = [](std::string_view& text) {
      const std::string_view part = text.substr(0, text.find('.'));
      text.remove_prefix(std::min(text.size(), part.size() + 1));
      int number = 0;
      for (char c : part)
        if (c >= '0' && c <= '9') number = number * 10 + (c - '0');
      return number;
    };
    const int x = next(a), y = next(b);
    if (x != y) return x < y;
  }
  return false;
}

std::vector<std::string> tool_environment(const std::vector<std::string>& more) {
  std::map<std::string, std::string> all;
  const auto put = [&](std::string_view line) {
    all[std::string(line.substr(0, line.find('=')))] = std::string(line);
  };
  for (char** line = environ; *line != nullptr; ++line)
    if (const std::string_view text = *line; passes(text.substr(0, text.find('=')))) put(text);
  for (const std::string& line : more) put(line);
  std::vector<std::string> out;
  for (auto& [name, line] : all) out.push_back(std::move(line));
  return out;
}

Result<ToolAnswer> call_tool(const Tool& tool, const ToolCall& call) {
  SLIPWAY_TRY(auto out_pipe, make_pipe());
  SLIPWAY_TRY(auto err_pipe, make_pipe());
  SLIPWAY_TRY(const Fd input, memory_file(call.input));
  ProcessSpec spec{.program = tool.path,
                   .arguments = call.arguments,
                   .environment = tool_environment(call.variables),
                   .descriptors = {{input.get(), STDIN_FILENO}}};
  spec.stderr_to = &err_pipe.second;
  spec.stdout_to = &out_pipe.second;
  SLIPWAY_TRY(Process process, Process::spawn(spec));
  out_pipe.second = Fd();
  err_pipe.second = Fd();
  ToolAnswer answer;
  ::fcntl(out_pipe.first.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(err_pipe.first.get(), F_SETFL, O_NONBLOCK);
  std::array<Stream, 2> streams{Stream{std::move(out_pipe.first), &answer.out, call.output_limit, false},
                                Stream{std::move(err_pipe.first), &answer.err, kErrTail, true}};
  bool late = false;
  follow(process, streams, call.deadline, late);
  answer.status = process.status();
  if (late)
    return Error(ErrorCode::timeout, fmt::format("{} {} did not end in its time and was killed", tool.name,
                                                 call.arguments.empty() ? "" : call.arguments.front()))
        .with_detail(answer.err.empty() ? answer.out : answer.err);
  return answer;
}

Result<Tool> find_tool(const ToolNeed& need) {
  Tool tool{.name = need.name, .path = on_path(need.name), .version = {}};
  if (tool.path.empty())
    return Error(ErrorCode::dependency_missing, fmt::format("the program {} is not on PATH", need.name))
        .with_next(need.how_to_get);
  if (need.version_arguments.empty()) return tool;
  SLIPWAY_TRY(const ToolAnswer answer, call_tool(tool, {.arguments = need.version_arguments,
                                                        .deadline = base::Deadline::after(kVersionTime)}));
  tool.version = first_version(answer.out.empty() ? answer.err : answer.out);
  if (tool.version.empty())
    return Error(ErrorCode::dependency_missing,
                 fmt::format("{} does not say its version ({})", tool.path, answer.why()))
        .with_next(need.how_to_get);
  if (older_version(tool.version, need.minimum))
    return Error(ErrorCode::dependency_missing, fmt::format("{} is version {}, and {} or later is needed",
                                                            tool.path, tool.version, need.minimum))
        .with_next(need.how_to_get);
  return tool;
}

}  // namespace slipway::io
