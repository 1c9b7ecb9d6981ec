#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "io/files.h"
#include "store/log_files.h"
#include "store/logs.h"
#include "telemetry/log.h"

namespace slipway::store {
namespace {

std::uint64_t count_lines(std::string_view text) {
  return static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
}

// A process that died inside a write left a torn line; it is ended, so that it spoils no other.
bool end_torn_line(int fd, std::uint64_t& size) {
  char last = '\n';
  if (size == 0 || ::pread(fd, &last, 1, static_cast<off_t>(size - 1)) != 1 || last == '\n') return true;
  if (::write(fd, "\n", 1) != 1) return false;
  ++size;
  return true;
}

// All or nothing: what a full disk cut off is taken back, so that no half line stays.
bool write_whole(int fd, std::uint64_t size, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      (void)::ftruncate(fd, static_cast<off_t>(size));  // failing too, the next line starts behind a torn one
      return false;
    }
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

LogWriter::LogWriter(std::filesystem::path folder, LogLimits limits)
    : folder_(std::move(folder)), limits_(limits) {}

base::Result<std::unique_ptr<LogWriter>> LogWriter::open(std::filesystem::path folder, LogLimits limits) {
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(folder));
  const auto numbers = log_numbers(folder);
  std::unique_ptr<LogWriter> writer(new LogWriter(std::move(folder), limits));
  writer->number_ = numbers.empty() ? 1 : numbers.back();
  writer->thread_ = std::thread([raw = writer.get()] { raw->run(); });
  return writer;
}

LogWriter::~LogWriter() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void LogWriter::write(std::string_view lines) {
  if (lines.empty()) return;
  {
    std::lock_guard lock(mutex_);
    queued_bytes_ += lines.size();
    queue_.emplace_back(lines);
    while (queued_bytes_ > limits_.queue_bytes && queue_.size() > 1) {
      queued_bytes_ -= queue_.front().size();
      dropped_slow_.fetch_add(count_lines(queue_.front()), std::memory_order_relaxed);
      queue_.pop_front();
    }
  }
  wake_.notify_one();
}

void LogWriter::flush() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

LogCounts LogWriter::counts() const {
  return {written_.load(std::memory_order_relaxed), dropped_slow_.load(std::memory_order_relaxed),
          dropped_disk_.load(std::memory_order_relaxed)};
}

void LogWriter::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::deque<std::string> batch = std::exchange(queue_, {});
    queued_bytes_ = 0;
    busy_ = true;
    lock.unlock();
    for (const std::string& lines : batch) append(lines);
    lock.lock();
    busy_ = false;
    if (queue_.empty()) idle_.notify_all();
  }
}

void LogWriter::append(const std::string& lines) {
  report_loss();
  if (rotate_if_full(lines.size()) && write_whole(file_.get(), size_, lines)) {
    size_ += lines.size();
    written_.fetch_add(count_lines(lines), std::memory_order_relaxed);
  } else {
    dropped_disk_.fetch_add(count_lines(lines), std::memory_order_relaxed);
  }
}

// Opens the current file when none is open; starts the next one when `more` bytes do not fit. False when it
// cannot.
bool LogWriter::rotate_if_full(std::size_t more) {
  if (file_ && size_ > 0 && size_ + more > limits_.file_bytes) {
    file_ = io::Fd();
    ++number_;
  }
  if (file_) return true;
  file_ = io::Fd(
      ::open(log_file(folder_, number_).c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat about{};
  if (!file_ || ::fstat(file_.get(), &about) != 0) return false;
  size_ = static_cast<std::uint64_t>(about.st_size);
  if (!end_torn_line(file_.get(), size_)) return false;
  auto numbers = log_numbers(folder_);
  const auto kept = static_cast<std::size_t>(std::max(limits_.files, 1));
  std::error_code none;
  for (std::size_t i = 0; i + kept < numbers.size(); ++i)
    std::filesystem::remove(log_file(folder_, numbers[i]), none);
  return size_ + more <= limits_.file_bytes || size_ == 0 || rotate_if_full(more);
}

// A gap in the log says so itself, once the disk takes lines again.
void LogWriter::report_loss() {
  const LogCounts now = counts();
  const std::uint64_t lost = now.dropped_slow + now.dropped_disk;
  if (lost == reported_loss_) return;
  std::string line;
  telemetry::append_record(line, base::wall_now(), telemetry::Level::warn, "log_dropped",
                           "log records were lost",
                           {{"records", static_cast<std::int64_t>(lost - reported_loss_)},
                            {"slow_total", static_cast<std::int64_t>(now.dropped_slow)},
                            {"disk_total", static_cast<std::int64_t>(now.dropped_disk)}});
  if (!rotate_if_full(line.size()) || !write_whole(file_.get(), size_, line)) return;
  size_ += line.size();
  reported_loss_ = lost;
}

}  // namespace slipway::store
