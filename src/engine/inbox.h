// The door between callers and the loop thread: submitted tasks, jobs to run between steps, and wake-ups.
//
// The lock is held to move pointers only, never while a step runs. Bounds: `capacity` tasks that have not
// ended (waiting and running), kMaxJobs jobs. Shared by the engine and its tickets, because a ticket may
// outlive the engine.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/time.h"
#include "engine/task.h"

namespace slipway::engine {

class Inbox {
 public:
  static constexpr std::size_t kMaxJobs = 64;
  enum class Push { ok, full, draining };
  using Job = std::function<void(bool stopped)>;

  explicit Inbox(int capacity) : capacity_(capacity) {}

  // Any thread.
  Push push(std::unique_ptr<Task>& task);  // takes it only when ok
  Push push_job(Job job);                  // `stopped`: the loop has ended, give up
  void wake();
  void refuse();  // draining from now on
  void cancel_all();
  void stop();
  int outstanding() const;
  bool wait_until_empty(base::Deadline deadline);

  // The loop thread.
  struct Taken {
    std::vector<std::unique_ptr<Task>> tasks;
    std::vector<Job> jobs;
    bool cancel_all = false;
    bool stop = false;
  };
  // With `idle`, waits until there is something; without, takes what is there.
  Taken take(bool idle);
  // A task's place is free for another one; then, after its Sink heard of it, it has ended.
  void leave();
  void ended();

 private:
  bool anything() const { return !tasks_.empty() || !jobs_.empty() || woken_ || stop_ || cancel_all_; }

  mutable std::mutex mutex_;
  std::condition_variable arrived_, emptied_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::vector<Job> jobs_;
  const int capacity_;
  int places_ = 0;       // taken of the capacity
  int outstanding_ = 0;  // not ended
  bool woken_ = false, refusing_ = false, cancel_all_ = false, stop_ = false;
};

}  // namespace slipway::engine
