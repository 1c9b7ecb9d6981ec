#include "store/chunked_download.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "io/download.h"
#include "io/files.h"

namespace slipway::store {
namespace {

using base::ErrorCode;

constexpr std::chrono::milliseconds kCancelPoll{50};

bool is_cancelled(const std::atomic<bool>* cancelled) {
  return cancelled != nullptr && cancelled->load(std::memory_order_relaxed);
}

// What one connection came to.
enum class Outcome { progress, nothing, changed, fatal };

class Transfer {
 public:
  Transfer(const ChunkedRequest& request, PartFile& part, ProgressMeter& progress,
           const std::atomic<bool>* cancelled)
      : request_(request), part_(part), progress_(progress), cancelled_(cancelled) {}

  base::Result<void> run();

 private:
  Outcome attempt(const PartRange& range);
  base::Result<void> on_head(const io::DownloadResult& head, std::uint64_t offset);
  base::Result<void> on_bytes(std::string_view bytes);
  base::Result<void> accept_total(const io::DownloadResult& head);
  Outcome judge(const base::Error& error) const;
  bool wait(base::Duration delay) const;
  base::Error interrupted() const {
    return {ErrorCode::interrupted, fmt::format("fetching {} was interrupted", request_.url)};
  }

  const ChunkedRequest& request_;
  PartFile& part_;
  ProgressMeter& progress_;
  const std::atomic<bool>* cancelled_;
  int status_ = 0;
  bool changed_ = false;
  std::optional<base::Error> error_;
};

base::Result<void> Transfer::run() {
  int idle = 0;
  int restarts = 0;
  base::Duration delay = request_.retry_delay;
  while (const auto range = part_.missing()) {
    if (is_cancelled(cancelled_)) return interrupted();
    const Outcome outcome = attempt(*range);
    if (outcome == Outcome::fatal) return *error_;
    if (outcome == Outcome::changed) {
      SLIPWAY_RETURN_IF_ERROR(part_.discard());
      if (++restarts > kMaxRestarts)
        return base::Error(ErrorCode::download_failed,
                           fmt::format("{} keeps changing while it is fetched", request_.url));
      continue;
    }
    idle = outcome == Outcome::progress ? 0 : idle + 1;
    if (idle >= kMaxAttempts) return *error_;
    if (outcome == Outcome::progress && !error_) continue;
    if (idle <= 1) delay = request_.retry_delay;
    if (!wait(delay)) return interrupted();
    delay = std::min<base::Duration>(delay * 2, kMaxRetryDelay);
  }
  return {};
}

Outcome Transfer::attempt(const PartRange& range) {
  // A half chunk of this process is continued where it broke off.
  const bool inside = part_.position() > range.begin && (range.end == 0 || part_.position() < range.end);
  const std::uint64_t offset = part_.seek(inside && part_.total() != 0 ? part_.position() : range.begin);
  const std::uint64_t before = part_.bytes_present();
  status_ = 0;
  changed_ = false;
  error_.reset();
  const auto result = io::download(
      {.url = request_.url,
       .headers = request_.headers,
       .offset = offset,
       .length = range.end == 0 ? 0 : range.end - offset,
       .if_match = ""},
      [this](std::string_view bytes) { return on_bytes(bytes); }, cancelled_,
      [this, offset](const io::DownloadResult& head) { return on_head(head, offset); });
  if (!result) {
    error_ = result.error();
    const Outcome verdict = judge(*error_);
    if (verdict != Outcome::nothing) return verdict;
  } else if (part_.total() == 0 && part_.position() > 0) {
    if (auto ended = part_.finish_unknown(); !ended) return error_ = std::move(ended).error(), Outcome::fatal;
  } else if (part_.bytes_present() <= before) {
    error_ =
        base::Error(ErrorCode::download_failed, fmt::format("{} answered without any bytes", request_.url));
  }
  return part_.bytes_present() > before || (result && !part_.missing()) ? Outcome::progress
                                                                        : Outcome::nothing;
}

base::Result<void> Transfer::on_head(const io::DownloadResult& head, std::uint64_t offset) {
  status_ = head.status;
  if (head.status >= 300) return {};  // download() makes the error
  const bool known = part_.total() != 0;
  changed_ = known && ((!part_.etag().empty() && !head.etag.empty() && part_.etag() != head.etag) ||
                       (head.total_bytes != 0 && head.total_bytes != part_.total()));
  if (changed_)
    return base::Error(ErrorCode::download_failed, fmt::format("{} changed at its source", request_.url));
  if (!known) SLIPWAY_RETURN_IF_ERROR(accept_total(head));
  if (!head.ranged && offset != 0) part_.seek(0);  // the whole file comes again, from its start
  return {};
}

base::Result<void> Transfer::accept_total(const io::DownloadResult& head) {
  if (request_.expected_bytes != 0 && head.total_bytes != 0 && head.total_bytes != request_.expected_bytes)
    return base::Error(ErrorCode::digest_mismatch,
                       fmt::format("{} has {} bytes, {} are expected", request_.url, head.total_bytes,
                                   request_.expected_bytes))
        .with_next(
            "The file at the source is another one than the one asked for; name the right file or digest.");
  SLIPWAY_RETURN_IF_ERROR(check_space(part_.folder(), head.total_bytes, request_.reserve_bytes));
  progress_.set_total(head.total_bytes);
  return part_.set_identity(head.etag, head.total_bytes);
}

base::Result<void> Transfer::on_bytes(std::string_view bytes) {
  SLIPWAY_RETURN_IF_ERROR(part_.append(bytes));
  progress_.update(part_.bytes_present());
  return {};
}

// Whether another try can help.
Outcome Transfer::judge(const base::Error& error) const {
  if (changed_) return Outcome::changed;
  if (is_cancelled(cancelled_)) return Outcome::nothing;  // run() says interrupted
  if ((status_ == 412 || status_ == 416) && part_.total() != 0) return Outcome::changed;
  const bool refused = status_ >= 400 && status_ < 500 && status_ != 408 && status_ != 429;
  const bool passing = error.code() == ErrorCode::download_failed || error.code() == ErrorCode::io_failed ||
                       error.code() == ErrorCode::timeout;
  return refused || !passing ? Outcome::fatal : Outcome::nothing;
}

// False when it was cancelled.
bool Transfer::wait(base::Duration delay) const {
  const base::MonotonicTime until = base::monotonic_now() + delay;
  while (base::monotonic_now() < until) {
    if (is_cancelled(cancelled_)) return false;
    std::this_thread::sleep_for(std::min<base::Duration>(kCancelPoll, until - base::monotonic_now()));
  }
  return !is_cancelled(cancelled_);
}

}  // namespace

base::Result<void> download_chunks(const ChunkedRequest& request, PartFile& part, ProgressMeter& progress,
                                   const std::atomic<bool>* cancelled) {
  if (part.total() != 0 && request.expected_bytes != 0 && part.total() != request.expected_bytes)
    SLIPWAY_RETURN_IF_ERROR(part.discard());
  if (part.total() != 0)
    SLIPWAY_RETURN_IF_ERROR(
        check_space(part.folder(), part.total() - part.bytes_present(), request.reserve_bytes));
  progress.start("download", part.bytes_present(), part.total() != 0 ? part.total() : request.expected_bytes);
  return Transfer(request, part, progress, cancelled).run();
}

base::Result<void> check_space(const std::filesystem::path& folder, std::uint64_t bytes,
                               std::uint64_t reserve) {
  SLIPWAY_TRY(const std::uint64_t free, io::free_bytes(folder));
  if (free >= bytes + reserve) return {};
  return base::Error(ErrorCode::disk_full,
                     fmt::format("{} are needed in {} ({} stay free for the system), {} are free",
                                 base::human_bytes(bytes), folder.string(), base::human_bytes(reserve),
                                 base::human_bytes(free)))
      .with_next(fmt::format("Free {} on that disk, or move XDG_DATA_HOME to a larger one.",
                             base::human_bytes(bytes + reserve - free)));
}

}  // namespace slipway::store
