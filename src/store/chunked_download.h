// Fetches one URL into a PartFile, over as many connections as it takes.
//
// A server may truncate, stall, ignore ranges, refuse a range (416), or change the file meanwhile (another
// ETag or size). What is whole is kept as long as the file is the same; a changed file starts anew. Bounds:
// kMaxAttempts tries in a row without a new byte, kMaxRestarts changes of the file. Threads: blocks the
// caller's. Failure: gated, disk_full, digest_mismatch (another size than expected), interrupted, else
// download_failed.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/part_file.h"
#include "store/progress.h"

namespace slipway::store {

inline constexpr int kMaxAttempts = 6;
inline constexpr int kMaxRestarts = 2;

struct ChunkedRequest {
  std::string url;
  std::vector<std::string> headers;  // "Authorization: Bearer ..."
  std::uint64_t expected_bytes = 0;  // 0 = unknown
  std::uint64_t reserve_bytes = 0;   // stays free on the disk
  base::Duration retry_delay{};      // before the second try; doubles up to kMaxRetryDelay
};
inline constexpr std::chrono::seconds kMaxRetryDelay{8};

base::Result<void> download_chunks(const ChunkedRequest& request, PartFile& part, ProgressMeter& progress,
                                   const std::atomic<bool>* cancelled);

// disk_full with the numbers unless `bytes` fit on the disk of `folder` and `reserve` stays free.
base::Result<void> check_space(const std::filesystem::path& folder, std::uint64_t bytes,
                               std::uint64_t reserve);

}  // namespace slipway::store
