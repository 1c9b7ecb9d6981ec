#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"

namespace slipway::cli {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kPlainEvery = std::chrono::seconds(10);
constexpr auto kEtaAfter = std::chrono::seconds(2);
constexpr int kBarColumns = 20;

std::string_view verb_of(std::string_view phase) {
  if (phase == "download") return "downloading";
  if (phase == "verify") return "verifying";
  if (phase == "start") return "starting";
  if (phase == "weights") return "loading weights of";
  if (phase == "context") return "making the context of";
  if (phase == "warmup") return "warming up";
  if (phase == "drain") return "draining";
  return phase;
}

std::string amount(const ProgressEvent& e) {
  if (e.unit == "bytes") {
    const std::string done = base::human_bytes(e.done);
    return e.total == 0 ? done : done + " of " + base::human_bytes(e.total);
  }
  const std::string unit = e.unit.empty() ? "" : " " + e.unit;
  if (e.total == 0) return e.done == 0 ? "" : fmt::format("{}{}", e.done, unit);
  return fmt::format("{} of {}{}", e.done, e.total, unit);
}

}  // namespace

Progress::Progress(Console& console, bool quiet, Clock clock)
    : console_(console), quiet_(quiet), clock_(std::move(clock)) {}

void Progress::update(const ProgressEvent& event) {
  if (quiet_) return;
  const base::MonotonicTime now = clock_();
  const std::string key = event.phase + "\n" + event.subject;
  const bool new_phase = key != key_;
  if (new_phase) {
    finish();
    key_ = key;
    phase_start_ = now;
    done_at_start_ = event.done;
  }
  const bool moving = console_.facts().err_tty && console_.facts().cursor;
  const bool complete = event.total > 0 && event.done >= event.total;
  const base::Duration every = moving ? base::Duration(kRedraw) : base::Duration(kPlainEvery);
  const bool due = new_phase || now - last_shown_ >= every || (moving && complete);
  if (!due) return;
  last_shown_ = now;
  const std::string text = line(event);
  if (!moving) {
    console_.err(text + "\n");
    return;
  }
  const auto columns = static_cast<std::size_t>(console_.facts().width - 1);
  console_.err("\r\x1b[K" + truncate(text, columns, console_.facts().unicode));
  drawn_ = true;
}

void Progress::note(std::string_view text) {
  if (quiet_) return;
  finish();
  console_.err(console_.paint_err(Style::dim, without_controls(text)) + "\n");
}

void Progress::finish() {
  if (!drawn_) return;
  console_.err("\r\x1b[K");
  drawn_ = false;
}

std::string Progress::bar(double ratio) const {
  const bool unicode = console_.facts().unicode;
  const int full = static_cast<int>(ratio * kBarColumns);
  std::string out = "[";
  for (int i = 0; i < kBarColumns; ++i)
    out += i < full ? (unicode ? "\u2588" : "#") : (unicode ? "\u2591" : ".");
  return out + "]";
}

std::string Progress::line(const ProgressEvent& e) const {
  std::string text = fmt::format("{} {}", verb_of(e.phase), e.subject);
  const double ratio =
      e.total == 0 ? 0 : std::min(1.0, static_cast<double>(e.done) / static_cast<double>(e.total));
  if (e.total > 0) {
    if (console_.facts().err_tty && console_.facts().cursor) text += " " + bar(ratio);
    text += fmt::format(" {:3.0f} %", ratio * 100);
  }
  if (const std::string what = amount(e); !what.empty()) text += " " + what;
  const base::Duration elapsed = clock_() - phase_start_;
  const std::uint64_t made = e.done - std::min(e.done, done_at_start_);
  if (elapsed >= kEtaAfter && made > 0) {
    const double rate = static_cast<double>(made) / base::seconds(elapsed);
    if (e.unit == "bytes") text += ", " + base::human_bytes(static_cast<unsigned long long>(rate)) + "/s";
    if (e.total > e.done) {
      const auto left = std::chrono::duration<double>(static_cast<double>(e.total - e.done) / rate);
      text += ", " + base::human_duration(std::chrono::duration_cast<base::Duration>(left)) + " left";
    }
  }
  if (e.total == 0 && !e.message.empty()) text += ": " + e.message;  // else the figures say it
  return without_controls(text);
}

}  // namespace slipway::cli
