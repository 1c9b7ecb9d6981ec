// One connection of the client and the answer that is being read from it. Internal to io/.
//
// Bounds: in_ holds one head and at most one read (64 KiB); body pieces are at most one read. A connection
// that streams holds about 3 KiB plus its head and its largest recent piece.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "io/http.h"
#include "io/http_buffer.h"
#include "io/socket.h"

namespace slipway::io {

class ClientConnection {
 public:
  ClientConnection(Loop& loop, Fd fd, bool connecting)
      : loop_(loop), socket_(loop, std::move(fd), connecting) {}

  Socket& socket() { return socket_; }
  const codec::HttpHead& head() const { return head_; }

  // Sends a request; what the kernel does not take leaves while the answer is awaited.
  bool send(std::string_view head, std::string_view body);
  // The next head that is not 1xx. `got_bytes` says whether any byte of an answer arrived.
  Task<base::Result<void>> read_head(const codec::HttpHeadLimits& limits, base::MonotonicTime deadline,
                                     bool is_head_request);
  bool got_bytes() const { return got_bytes_; }

  Task<base::Result<std::string_view>> read_some();
  // The answer ended cleanly and the connection may carry another request.
  bool reusable() const;
  // Before the next request.
  void reset();
  bool idle_ok() const { return !socket_.maybe_readable() && !socket_.broken(); }

 private:
  base::Result<bool> parse(const codec::HttpHeadLimits& limits);
  base::Error read_failed(ssize_t n) const;
  void start_body(bool is_head_request);
  // Takes what belongs to this body out of `bytes`; the piece, or an error of the framing.
  base::Result<std::string_view> take(std::string_view bytes);
  base::Result<std::string_view> take_chunks(std::string_view bytes);

  Loop& loop_;
  Socket socket_;
  codec::HttpHead head_;
  HttpBuffer in_;     // the head, and the first bytes of the body
  HttpBuffer piece_;  // body bytes of the latest read
  std::size_t taken_ = 0;
  std::optional<codec::ChunkedDecoder> chunks_;
  std::uint64_t left_ = 0;
  bool got_bytes_ = false;
  bool done_ = false;
  bool extra_ = false;  // bytes behind the body: the peer is confused
};

}  // namespace slipway::io
