// Time as values. Intervals are monotonic (MonotonicTime); wall-clock time (WallTime) is for people only.
// Pure code takes `now` as an argument; only io/, engine/ and main functions call now().
#pragma once

#include <chrono>
#include <string>

namespace slipway::base {

using Duration = std::chrono::nanoseconds;
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

inline MonotonicTime monotonic_now() {
  return std::chrono::steady_clock::now();
}
inline WallTime wall_now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}
inline double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

// "2026-11-24T06:55:01.123Z"
std::string to_rfc3339(WallTime t);
// "850 ms", "4.2 s", "3 min 10 s", "2 h 5 min"
std::string human_duration(Duration d);
// "512 B", "93.4 MB", "1.2 GB" (powers of 1000)
std::string human_bytes(unsigned long long bytes);

// When a piece of work must be over. Travels with each request; the default never ends.
class Deadline {
 public:
  Deadline() = default;
  explicit Deadline(MonotonicTime at) : at_(at) {}
  static Deadline after(Duration d) { return Deadline(monotonic_now() + d); }
  MonotonicTime at() const { return at_; }
  bool passed(MonotonicTime now) const { return now >= at_; }
  Duration left(MonotonicTime now) const { return now >= at_ ? Duration::zero() : at_ - now; }

 private:
  MonotonicTime at_ = MonotonicTime::max();
};

}  // namespace slipway::base
