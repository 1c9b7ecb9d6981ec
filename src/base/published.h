// Published<T>: one writer swaps an immutable value, many threads read it without a shared lock on the fast
// path.
//
// A reader thread owns a Published<T>::Reader; get() costs one relaxed load while nothing changed, and takes
// the mutex only to pick up a new value. A reader keeps the old value alive until its next get().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace slipway::base {

template <class T>
class Published {
 public:
  Published() : value_(std::make_shared<const T>()) {}
  explicit Published(std::shared_ptr<const T> value) : value_(std::move(value)) {}

  // Any thread; the last call wins.
  void publish(std::shared_ptr<const T> value) {
    std::lock_guard lock(mutex_);
    value_ = std::move(value);
    version_.fetch_add(1, std::memory_order_release);
  }

  std::shared_ptr<const T> load() const {
    std::lock_guard lock(mutex_);
    return value_;
  }

  // One thread each. The Published outlives its readers.
  class Reader {
   public:
    explicit Reader(const Published& source) : source_(&source) {}
    // The reference is valid until this reader's next get(); keep share() across a suspension.
    const T& get() {
      refresh();
      return *value_;
    }
    std::shared_ptr<const T> share() {
      refresh();
      return value_;
    }

   private:
    void refresh() {
      const std::uint64_t now = source_->version_.load(std::memory_order_acquire);
      if (now == seen_) return;
      std::lock_guard lock(source_->mutex_);
      value_ = source_->value_;
      seen_ = source_->version_.load(std::memory_order_relaxed);
    }
    const Published* source_;
    std::uint64_t seen_ = 0;
    std::shared_ptr<const T> value_;
  };

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;  // guarded by mutex_
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace slipway::base
