#include "cloud/side_by_side.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace slipway::cloud {

using base::Result;

namespace {
constexpr int kNarrowest = 4, kWidest = 12;
}

// A call is half the program's own start and half waiting for AWS: twice the processors keep both busy.
int side_by_side_width() {
  return std::clamp(2 * static_cast<int>(std::thread::hardware_concurrency()), kNarrowest, kWidest);
}

Result<void> side_by_side(const std::vector<Task>& tasks) {
  std::vector<Result<void>> done(tasks.size());
  std::atomic<std::size_t> next{0};
  {
    std::vector<std::jthread> threads;
    const std::size_t width = std::min(tasks.size(), static_cast<std::size_t>(side_by_side_width()));
    for (std::size_t i = 0; i < width; ++i)
      threads.emplace_back([&] {
        for (std::size_t at = next++; at < tasks.size(); at = next++) done[at] = tasks[at]();
      });
  }
  for (Result<void>& one : done)
    if (!one) return std::move(one);
  return {};
}

}  // namespace slipway::cloud
