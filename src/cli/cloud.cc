#include "cli/cloud.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/time.h"
#include "environment/prices.h"

namespace slipway::cli {
namespace {

constexpr auto kLongestPause = std::chrono::minutes(1);

// For tests: with SLIPWAY_HOME set, SLIPWAY_FAULT_PAUSE_MS bounds every pause between two looks.
base::Duration longest_pause() {
  const char* const text = std::getenv("SLIPWAY_FAULT_PAUSE_MS");
  if (text == nullptr || std::getenv("SLIPWAY_HOME") == nullptr) return kLongestPause;
  int ms = 0;
  std::from_chars(text, text + std::strlen(text), ms);
  return std::chrono::milliseconds(ms);
}

}  // namespace

std::string today() {
  constexpr std::size_t kDayLength = 10;  // of "2026-11-24T..."
  return base::to_rfc3339(base::wall_now()).substr(0, kDayLength);
}

base::Result<domain::PriceList> prices_for(const std::string& region) {
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  return environment::prices_of(paths, region);
}

void CloudWatcher::step(const std::string& title) {
  title_ = title;
  done(title);
}

void CloudWatcher::done(const std::string& text) {
  progress_.note(fmt::format("{:>9}  {}", base::human_duration(base::monotonic_now() - start_), text));
}

void CloudWatcher::kept(const std::string& title) {
  done(title + " (done before)");
}

void CloudWatcher::note(const std::string& text) {
  progress_.finish();
  if (!quiet_) print_note(console_, text);
}

void CloudWatcher::warn(const std::string& text) {
  progress_.finish();
  print_warning(console_, text);
}

void CloudWatcher::waiting(std::string_view what, base::Duration elapsed) {
  std::string message = fmt::format("waiting for {}", what);
  if (elapsed >= std::chrono::seconds(1)) message += fmt::format(" ({})", base::human_duration(elapsed));
  progress_.update({.phase = "work", .subject = title_, .message = message});
}

io::Patience Work::patience_for(CloudWatcher& watcher) {
  return io::Patience(
      &Interrupt::flag(),
      [&watcher](std::string_view what, base::Duration elapsed) { watcher.waiting(what, elapsed); },
      longest_pause());
}

bool is_cloud_environment(const std::string& name) {
  const auto paths = io::user_paths();
  if (!paths) return false;
  const auto where = environment::workspace_of(*paths, name);
  return where && environment::known(*where);
}

}  // namespace slipway::cli
