#include "policy/restart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/time.h"

namespace slipway::policy {
namespace {

using base::Duration, base::ErrorCode, base::MonotonicTime;

struct SignalRow {
  int number;
  std::string_view name;
  Cause cause;
};
// Linux numbers; policy includes no system header.
constexpr SignalRow kSignals[] = {
    {2, "SIGINT", Cause::killed},   {3, "SIGQUIT", Cause::crash},  {4, "SIGILL", Cause::crash},
    {6, "SIGABRT", Cause::crash},   {7, "SIGBUS", Cause::crash},   {8, "SIGFPE", Cause::crash},
    {9, "SIGKILL", Cause::killed},  {11, "SIGSEGV", Cause::crash}, {15, "SIGTERM", Cause::killed},
    {24, "SIGXCPU", Cause::killed}, {31, "SIGSYS", Cause::crash},
};

// Words of allocators and of the engine when memory ran out; compared without case.
constexpr std::string_view kMemoryWords[] = {"out of memory", "bad_alloc", "failed to allocate",
                                             "cannot allocate memory"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

bool speaks_of_memory(const WorkerEnd& end) {
  return std::ranges::any_of(end.last_lines, [](const std::string& line) {
    const std::string text = lower(line);
    return std::ranges::any_of(kMemoryWords, [&](std::string_view word) { return text.contains(word); });
  });
}

std::string_view while_words(const WorkerEnd& end) {
  return end.was_ready ? "while it served requests" : "before it was ready";
}

// Another try gives the same answer as long as file and settings are the same.
bool is_hopeless(std::string_view code) {
  static constexpr std::array kHopeless = {ErrorCode::gguf_corrupt,      ErrorCode::does_not_fit,
                                           ErrorCode::parameter_refused, ErrorCode::digest_mismatch,
                                           ErrorCode::file_unreadable,   ErrorCode::unsupported};
  const base::ErrorInfo* row = base::find_error(code);
  return row && std::ranges::find(kHopeless, row->code) != kHopeless.end();
}

CauseReport classify_failed(const WorkerEnd& end) {
  const base::ErrorInfo* row = base::find_error(end.failed_code);
  const bool memory = row && row->code == ErrorCode::does_not_fit;
  return {.cause = memory ? Cause::out_of_memory : Cause::load_failed,
          .words = fmt::format("{} {}", end.failed_code, end.failed_message),
          .hopeless = is_hopeless(end.failed_code)};
}

CauseReport classify_signal(const WorkerEnd& end) {
  const auto* row = std::ranges::find(kSignals, end.signal, &SignalRow::number);
  const bool known = row != std::end(kSignals);
  const std::string name =
      known ? fmt::format("signal {} ({})", end.signal, row->name) : fmt::format("signal {}", end.signal);
  if (end.oom_kills > 0 && end.signal == 9)
    return {.cause = Cause::out_of_memory,
            .words = fmt::format("the kernel ended it for lack of memory {}", while_words(end))};
  if (speaks_of_memory(end))
    return {.cause = Cause::out_of_memory,
            .words = fmt::format("it ran out of memory {} and ended by {}", while_words(end), name)};
  return {.cause = known ? row->cause : Cause::crash,
          .words = fmt::format("ended by {} {}", name, while_words(end))};
}

Duration backoff(int failures, base::Rng& rng, const RestartLimits& limits) {
  Duration full = limits.first_delay;
  for (int i = 1; i < failures && full < limits.max_delay; ++i) full *= 2;
  full = std::min(full, limits.max_delay);
  return full / 2 + std::chrono::duration_cast<Duration>((full / 2) * rng.unit());
}

void forget_old(std::vector<MonotonicTime>& ends, MonotonicTime now, Duration window) {
  std::erase_if(ends, [&](MonotonicTime t) { return now - t > window; });
}

}  // namespace

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::asked:
      return "asked";
    case Cause::out_of_memory:
      return "out_of_memory";
    case Cause::killed:
      return "killed";
    case Cause::crash:
      return "crash";
    case Cause::no_progress:
      return "no_progress";
    case Cause::load_failed:
      return "load_failed";
    case Cause::exited:
      return "exited";
  }
  return "exited";
}

ErrorCode code_of(Cause cause) {
  switch (cause) {
    case Cause::out_of_memory:
      return ErrorCode::does_not_fit;
    case Cause::no_progress:
      return ErrorCode::no_progress;
    case Cause::load_failed:
      return ErrorCode::load_failed;
    default:
      return ErrorCode::start_failed;
  }
}

CauseReport classify(const WorkerEnd& end) {
  if (end.asked) return {.cause = Cause::asked, .words = "ended as asked"};
  if (end.stuck) return {.cause = Cause::no_progress, .words = "it made no token progress and was ended"};
  if (!end.failed_code.empty()) return classify_failed(end);
  if (end.signal > 0) return classify_signal(end);
  if (speaks_of_memory(end))
    return {.cause = Cause::out_of_memory, .words = fmt::format("it ran out of memory {}", while_words(end))};
  return {.cause = Cause::exited,
          .words = fmt::format("exited with status {} {}", end.status, while_words(end))};
}

RestartDecision decide_restart(RestartHistory& history, const CauseReport& cause, Duration ready_for,
                               MonotonicTime now, base::Rng& rng, const RestartLimits& limits) {
  if (cause.cause == Cause::asked) return {.reason = cause.words};
  forget_old(history.ends, now, limits.window);
  if (ready_for >= limits.healthy_after) history.failures_in_row = 0;
  history.ends.push_back(now);
  ++history.failures_in_row;
  if (cause.hopeless)
    return {.crash_loop = true,
            .reason = fmt::format("{}; another try cannot help before that is mended", cause.words)};
  const int ends = static_cast<int>(history.ends.size());
  if (ends > limits.max_exits)
    return {.crash_loop = true,
            .reason = fmt::format("{}; that is {} unasked ends within {}", cause.words, ends,
                                  base::human_duration(limits.window))};
  const Duration delay = backoff(history.failures_in_row, rng, limits);
  return {.restart = true,
          .delay = delay,
          .reason = fmt::format("{}; starts again in {} (try {} of {})", cause.words,
                                base::human_duration(delay), ends, limits.max_exits)};
}

void StrikeBook::strike(std::span<const std::uint64_t> fingerprints, MonotonicTime now) {
  std::vector<std::uint64_t> unique(fingerprints.begin(), fingerprints.end());
  std::ranges::sort(unique);
  unique.erase(std::ranges::unique(unique).begin(), unique.end());
  for (const std::uint64_t fingerprint : unique) {
    if (fingerprint == 0) continue;
    const Entry* old = find(fingerprint, now);
    const int strikes = old ? old->strikes + 1 : 1;
    std::erase_if(entries_, [&](const Entry& e) { return e.fingerprint == fingerprint; });
    entries_.push_back({fingerprint, strikes, now});
  }
  if (entries_.size() > kMaxStrikes)
    entries_.erase(entries_.begin(), entries_.end() - static_cast<std::ptrdiff_t>(kMaxStrikes));
}

void StrikeBook::absolve(std::uint64_t fingerprint) {
  std::erase_if(entries_, [&](const Entry& e) { return e.fingerprint == fingerprint && e.strikes < 2; });
}

const StrikeBook::Entry* StrikeBook::find(std::uint64_t fingerprint, MonotonicTime now) const {
  const auto at = std::ranges::find(entries_, fingerprint, &Entry::fingerprint);
  return at == entries_.end() || now - at->last >= kQuarantine ? nullptr : &*at;
}

Verdict StrikeBook::judge(std::uint64_t fingerprint, MonotonicTime now) const {
  const Entry* entry = find(fingerprint, now);
  if (!entry) return Verdict::run;
  return entry->strikes >= 2 ? Verdict::refuse : Verdict::run_alone;
}

Duration StrikeBook::refused_for(std::uint64_t fingerprint, MonotonicTime now) const {
  const Entry* entry = find(fingerprint, now);
  return entry && entry->strikes >= 2 ? kQuarantine - (now - entry->last) : Duration::zero();
}

}  // namespace slipway::policy
