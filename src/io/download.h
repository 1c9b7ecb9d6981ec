// HTTP(S) downloads through libcurl: resumable, ranged, verified by the caller chunk by chunk. Blocking;
// cancellable.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::io {

struct DownloadRequest {
  std::string url;                   // https:// ; http:// only for loopback addresses
  std::vector<std::string> headers;  // "Authorization: Bearer ..."; never logged
  std::uint64_t offset = 0;          // first byte wanted
  std::uint64_t length = 0;          // 0 = to the end
  std::string if_match;              // ETag of the first piece: a changed file fails instead of mixing
};
struct DownloadResult {
  int status = 0;                 // of the final answer, after redirects
  std::uint64_t total_bytes = 0;  // of the whole file; 0 = unknown
  std::string etag;
  bool ranged = false;  // the server honoured `offset`
};
// `sink` gets the body's bytes in order and returns an error to stop (disk full). gated for 401/403,
// download_failed else. `on_head` sees the final answer's head once, before the first byte and also when the
// status is a failure (412, 416); an error from it stops the download. It is where a caller notices a server
// that ignores `offset` or a file that changed.
base::Result<DownloadResult> download(
    const DownloadRequest& request, const std::function<base::Result<void>(std::string_view)>& sink,
    const std::atomic<bool>* cancelled = nullptr,
    const std::function<base::Result<void>(const DownloadResult&)>& on_head = {});

}  // namespace slipway::io
