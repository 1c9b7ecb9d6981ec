#include "kube/informer.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace slipway::kube {
namespace {

constexpr auto kLived = std::chrono::seconds(2);
constexpr std::string_view kTooOld = "Expired";

}  // namespace

using base::Result;

Informer::Informer(Client client, Options options, OnChange on_change)
    : client_(std::move(client)),
      options_(std::move(options)),
      on_change_(std::move(on_change)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Informer::~Informer() {
  stopping_ = true;
  thread_.request_stop();
}

void Informer::pause(const std::stop_token& stop, base::Duration time) const {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, time, [] { return false; });
}

// One list where it is due, then one watch.
Result<void> Informer::follow() {
  const base::MonotonicTime now = base::monotonic_now();
  if (set_.version().empty() || now - listed_ > options_.relist) {
    SLIPWAY_TRY(const Json list, client_.list(options_.path, options_.selector));
    listed_ = now;
    if (set_.replace(list)) on_change_(set_.objects(), "");
  }
  return client_.watch(
      options_.path, options_.selector, set_.version(),
      [&](const WatchEvent& event) -> Result<void> {
        if (set_.take(event)) on_change_(set_.objects(), "");
        return {};
      },
      &stopping_);
}

void Informer::run(const std::stop_token& stop) {
  base::Duration wait = options_.first_pause;
  bool told = false;
  while (!stop.stop_requested()) {
    const base::MonotonicTime begin = base::monotonic_now();
    const Result<void> followed = follow();
    if (stop.stop_requested()) return;
    if (followed && told) on_change_(set_.objects(), "");
    told = !followed && followed.error().param() != kTooOld;
    if (told) on_change_(set_.objects(), followed.error().message());
    if (!followed && !told) set_.forget_version();
    // A server that refuses, or ends every watch at once, is asked less and less often.
    if (base::monotonic_now() - begin > kLived) wait = options_.first_pause;
    pause(stop, wait);
    wait = std::min(wait * 2, options_.longest_pause);
  }
}

}  // namespace slipway::kube
