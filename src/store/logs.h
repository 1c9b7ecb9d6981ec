// One environment's log files: JSON lines (telemetry/log.h) in <state>/<environment>/logs/<number>.jsonl,
// numbers rising.
//
// The writer never blocks its callers: lines go to a queue of kQueueBytes (the oldest are dropped and counted
// when it is full) and a thread of its own appends them to the newest file. A full or failing disk loses
// lines and counts them; serving goes on, and a line about the loss is written when it can be. At kFileBytes
// a new file starts; kFiles are kept. Lines are written whole, and not fsynced: the last second may be lost
// with the machine, never with the process.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "io/process.h"

namespace slipway::store {

struct LogLimits {
  std::size_t queue_bytes = 4u << 20;
  std::uint64_t file_bytes = 16u << 20;
  int files = 8;
};

struct LogCounts {
  std::uint64_t written = 0;       // lines
  std::uint64_t dropped_slow = 0;  // the queue was full
  std::uint64_t dropped_disk = 0;  // the write failed
};

// Threads: write() from anywhere, the rest from its owner. Use it as the sink: set_log_sink([&](auto l) {
// w.write(l); }).
class LogWriter {
 public:
  // Makes the folder; continues the newest file. One writer a folder (the holder of the environment's lock).
  static base::Result<std::unique_ptr<LogWriter>> open(std::filesystem::path folder, LogLimits limits = {});
  ~LogWriter();                        // writes what is queued, then ends its thread
  void write(std::string_view lines);  // whole lines, each with its "\n"
  void flush();                        // returns when what was queued before is written or dropped
  LogCounts counts() const;

 private:
  LogWriter(std::filesystem::path folder, LogLimits limits);
  void run();
  void append(const std::string& lines);
  bool rotate_if_full(std::size_t more);
  void report_loss();

  const std::filesystem::path folder_;
  const LogLimits limits_;
  // Guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  bool busy_ = false, stopping_ = false;
  std::atomic<std::uint64_t> written_{0}, dropped_slow_{0}, dropped_disk_{0};
  // The thread's own.
  io::Fd file_;
  std::uint64_t number_ = 0, size_ = 0, reported_loss_ = 0;
  std::thread thread_;
};

// Which lines a reader wants. Empty members match everything.
struct LogFilter {
  std::string model;        // field "model"
  std::string replica;      // field "replica"
  std::string event;        // field "event"
  std::string least_level;  // "warn": warn and error
  bool matches(std::string_view line) const;
};

// The last `count` matching lines (without "\n"), oldest first. Another process may be writing. An absent
// folder is empty.
base::Result<std::vector<std::string>> tail_logs(const std::filesystem::path& folder, const LogFilter& filter,
                                                 std::size_t count);

// Lines as they come, across files. Blocking, one thread.
class LogFollower {
 public:
  // Starts behind the last line that tail_logs(folder, filter, tail) returns; `tail` lines come first.
  static base::Result<LogFollower> open(std::filesystem::path folder, LogFilter filter, std::size_t tail);
  LogFollower(LogFollower&&) = default;
  // The next matching lines, whole ones only; empty when `wait` passed without one.
  base::Result<std::vector<std::string>> next(base::Duration wait);
  // The same without waiting.
  base::Result<std::vector<std::string>> poll();

 private:
  LogFollower(std::filesystem::path folder, LogFilter filter)
      : folder_(std::move(folder)), filter_(std::move(filter)) {}
  std::filesystem::path folder_;
  LogFilter filter_;
  std::vector<std::string> first_;
  std::uint64_t number_ = 0, offset_ = 0;
  io::Fd notify_;  // inotify on the folder
};

}  // namespace slipway::store
