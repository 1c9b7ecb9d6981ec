#include "engine/inbox.h"

#include <utility>

namespace slipway::engine {

Inbox::Push Inbox::push(std::unique_ptr<Task>& task) {
  const std::lock_guard lock(mutex_);
  if (refusing_ || stop_) return Push::draining;
  if (places_ >= capacity_) return Push::full;
  ++places_;
  ++outstanding_;
  tasks_.push_back(std::move(task));
  arrived_.notify_one();
  return Push::ok;
}

Inbox::Push Inbox::push_job(Job job) {
  const std::lock_guard lock(mutex_);
  if (refusing_ || stop_) return Push::draining;
  if (jobs_.size() >= kMaxJobs) return Push::full;
  jobs_.push_back(std::move(job));
  arrived_.notify_one();
  return Push::ok;
}

void Inbox::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  arrived_.notify_one();
}

void Inbox::refuse() {
  const std::lock_guard lock(mutex_);
  refusing_ = true;
}

void Inbox::cancel_all() {
  const std::lock_guard lock(mutex_);
  cancel_all_ = true;
  arrived_.notify_one();
}

void Inbox::stop() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  arrived_.notify_one();
}

int Inbox::outstanding() const {
  const std::lock_guard lock(mutex_);
  return outstanding_;
}

bool Inbox::wait_until_empty(base::Deadline deadline) {
  std::unique_lock lock(mutex_);
  const auto empty = [this] { return outstanding_ == 0; };
  // wait_until() with the far end of the clock overflows in some libraries.
  if (deadline.at() == base::MonotonicTime::max()) {
    emptied_.wait(lock, empty);
    return true;
  }
  return emptied_.wait_until(lock, deadline.at(), empty);
}

Inbox::Taken Inbox::take(bool idle) {
  std::unique_lock lock(mutex_);
  if (idle) arrived_.wait(lock, [this] { return anything(); });
  woken_ = false;
  Taken taken;
  taken.tasks.swap(tasks_);
  taken.jobs.swap(jobs_);
  taken.cancel_all = std::exchange(cancel_all_, false);
  taken.stop = stop_;
  return taken;
}

void Inbox::leave() {
  const std::lock_guard lock(mutex_);
  --places_;
}

void Inbox::ended() {
  const std::lock_guard lock(mutex_);
  if (--outstanding_ == 0) emptied_.notify_all();
}

}  // namespace slipway::engine
