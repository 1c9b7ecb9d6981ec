// One long operation (deploy, undeploy, shutdown) and everybody who watches it.
//
// The operation belongs to the daemon: watchers come and go, late ones see the notes so far and the latest
// progress. Threads: the loop's; work on other threads posts its progress. Bounds: kMaxNotes notes and
// kMaxProgress kinds of progress are kept (the oldest go first), so a watcher that does not read costs
// nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "io/event.h"

namespace slipway::control {

// {"code":"E5001","symbol":"not_running","message":"...","detail":"...","next":"..."} of docs/control-api.md.
nlohmann::json error_json(const base::Error& error);

struct Progress {
  std::string phase;    // "download", "verify", "start", "weights", "context", "warmup", "drain"
  std::string subject;  // model or replica id
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string unit;  // "bytes", "layers", "requests", ""
  std::string message;
};

class Operation {
 public:
  static constexpr std::size_t kMaxNotes = 256;
  static constexpr std::size_t kMaxProgress = 128;
  static constexpr base::Duration kProgressPeriod =
      std::chrono::milliseconds(100);  // of one phase and subject

  struct Event {
    std::uint64_t number = 0;
    std::string name;  // "progress", "note", "result", "error"
    std::string data;  // one JSON object
    std::string key;   // of progress: a newer one replaces it
  };

  // `subject`: what it is about, for messages ("deploy smollm2-135m").
  explicit Operation(std::string subject) : subject_(std::move(subject)) {}

  void progress(const Progress& p, base::MonotonicTime now);
  void note(std::string_view message);
  void finish(nlohmann::json result);
  void fail(base::Error error);

  const std::string& subject() const { return subject_; }
  bool over() const { return over_; }
  const std::optional<base::Error>& error() const { return error_; }
  const nlohmann::json& result() const { return result_; }

  // The next event after number `seen`, which is moved on; nullopt when it is over and everything was seen.
  static io::Task<std::optional<Event>> next(std::shared_ptr<Operation> self, std::uint64_t& seen);
  static io::Task<> wait_until_over(std::shared_ptr<Operation> self);

 private:
  void push(std::string name, std::string data, std::string key = {});
  void trim();

  const std::string subject_;
  std::deque<Event> events_;
  std::uint64_t last_ = 0;
  std::map<std::string, base::MonotonicTime> progressed_;  // by key
  bool over_ = false;
  std::optional<base::Error> error_;
  nlohmann::json result_;
  io::Event changed_;
};

using OperationPtr = std::shared_ptr<Operation>;

}  // namespace slipway::control
