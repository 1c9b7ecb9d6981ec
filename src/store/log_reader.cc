#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "io/wait.h"
#include "store/log_files.h"
#include "store/logs.h"

namespace slipway::store {
namespace {

using base::ErrorCode;

constexpr std::uint64_t kMaxFileBytes = 64u << 20;  // of one file, whatever its writer was told
constexpr std::uint64_t kMaxStepBytes = 4u << 20;   // read by one poll()

struct Piece {
  std::string text;       // whole lines only
  std::uint64_t end = 0;  // offset behind them
  bool at_end = false;    // nothing more was there
};

// Bytes from `offset` to the last newline. A file that is gone is empty and at its end.
base::Result<Piece> read_lines(const std::filesystem::path& path, std::uint64_t offset, std::uint64_t limit) {
  const io::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return Piece{"", offset, true};
  struct stat about{};
  if (!fd || ::fstat(fd.get(), &about) != 0)
    return base::Error(ErrorCode::file_unreadable,
                       fmt::format("{}: {}", path.string(), std::strerror(errno)));
  const auto size = static_cast<std::uint64_t>(about.st_size);
  const std::uint64_t want = size > offset ? std::min(size - offset, limit) : 0;
  std::string text(want, '\0');
  std::uint64_t got = 0;
  while (got < want) {
    const ssize_t n = ::pread(fd.get(), text.data() + got, want - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    got += static_cast<std::uint64_t>(n);
  }
  const std::size_t last = std::string_view(text).substr(0, got).rfind('\n');
  text.resize(last == std::string::npos ? 0 : last + 1);
  // A line longer than the limit would stop the reader for ever; it is passed over.
  if (text.empty() && got == limit) return Piece{"", offset + got, false};
  return Piece{std::move(text), offset + (last == std::string::npos ? 0 : last + 1), offset + got >= size};
}

template <class F>
void each_line(std::string_view text, F&& f) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    f(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
}

int rank(std::string_view level) {
  constexpr auto kLevels = std::to_array<std::string_view>({"debug", "info", "warn", "error"});
  return static_cast<int>(std::ranges::find(kLevels, level) - kLevels.begin());
}

std::string field(const nlohmann::json& record, const char* name) {
  const auto found = record.find(name);
  return found != record.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

bool LogFilter::matches(std::string_view line) const {
  if (model.empty() && replica.empty() && event.empty() && least_level.empty()) return true;
  const auto record = nlohmann::json::parse(line, nullptr, false);
  if (!record.is_object()) return false;
  return (model.empty() || field(record, "model") == model) &&
         (replica.empty() || field(record, "replica") == replica) &&
         (event.empty() || field(record, "event") == event) &&
         (least_level.empty() || rank(field(record, "level")) >= rank(least_level));
}

base::Result<std::vector<std::string>> tail_logs(const std::filesystem::path& folder, const LogFilter& filter,
                                                 std::size_t count) {
  std::vector<std::string> newest_first;
  auto numbers = log_numbers(folder);
  for (auto number = numbers.rbegin(); number != numbers.rend() && newest_first.size() < count; ++number) {
    SLIPWAY_TRY(const Piece piece, read_lines(log_file(folder, *number), 0, kMaxFileBytes));
    std::vector<std::string_view> lines;
    each_line(piece.text, [&](std::string_view line) { lines.push_back(line); });
    for (auto line = lines.rbegin(); line != lines.rend() && newest_first.size() < count; ++line)
      if (filter.matches(*line)) newest_first.emplace_back(*line);
  }
  std::ranges::reverse(newest_first);
  return newest_first;
}

base::Result<LogFollower> LogFollower::open(std::filesystem::path folder, LogFilter filter,
                                            std::size_t tail) {
  LogFollower follower(std::move(folder), std::move(filter));
  follower.notify_ = io::Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!follower.notify_ ||
      ::inotify_add_watch(follower.notify_.get(), follower.folder_.c_str(), IN_MODIFY | IN_CREATE) < 0)
    return base::Error(ErrorCode::file_unreadable,
                       fmt::format("cannot watch {}: {}", follower.folder_.string(), std::strerror(errno)));
  // The place comes first and is where poll() goes on; the tail ends exactly there.
  const auto numbers = log_numbers(follower.folder_);
  if (!numbers.empty()) {
    follower.number_ = numbers.back();
    SLIPWAY_TRY(const Piece newest,
                read_lines(log_file(follower.folder_, follower.number_), 0, kMaxFileBytes));
    follower.offset_ = newest.end;
    each_line(newest.text, [&](std::string_view line) {
      if (follower.filter_.matches(line)) follower.first_.emplace_back(line);
    });
  }
  for (std::size_t i = numbers.size(); i > 1 && follower.first_.size() < tail; --i) {
    SLIPWAY_TRY(const Piece older, read_lines(log_file(follower.folder_, numbers[i - 2]), 0, kMaxFileBytes));
    std::vector<std::string> lines;
    each_line(older.text, [&](std::string_view line) {
      if (follower.filter_.matches(line)) lines.emplace_back(line);
    });
    follower.first_.insert(follower.first_.begin(), lines.begin(), lines.end());
  }
  if (follower.first_.size() > tail)
    follower.first_.erase(follower.first_.begin(), follower.first_.end() - static_cast<std::ptrdiff_t>(tail));
  return follower;
}

base::Result<std::vector<std::string>> LogFollower::poll() {
  if (!first_.empty()) return std::exchange(first_, {});
  std::vector<std::string> lines;
  const auto numbers = log_numbers(folder_);
  while (!numbers.empty()) {
    SLIPWAY_TRY(const Piece piece, read_lines(log_file(folder_, number_), offset_, kMaxStepBytes));
    offset_ = piece.end;
    each_line(piece.text, [&](std::string_view line) {
      if (filter_.matches(line)) lines.emplace_back(line);
    });
    if (!piece.at_end) {
      if (!lines.empty()) break;
      continue;
    }
    // The list was read before the file: a newer file in it means that this one is finished.
    const auto newer = std::ranges::upper_bound(numbers, number_);
    if (newer == numbers.end()) break;
    number_ = *newer;
    offset_ = 0;
  }
  return lines;
}

base::Result<std::vector<std::string>> LogFollower::next(base::Duration wait) {
  const base::Deadline deadline = base::Deadline::after(wait);
  while (true) {
    SLIPWAY_TRY(auto lines, poll());
    const base::MonotonicTime now = base::monotonic_now();
    if (!lines.empty() || deadline.passed(now)) return lines;
    io::wait_ready(notify_.get(), io::Ready::readable, deadline.left(now));
    std::array<char, 4096> events{};
    while (::read(notify_.get(), events.data(), events.size()) > 0) {
    }
  }
}

}  // namespace slipway::store
