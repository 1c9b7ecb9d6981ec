// Calls of one HTTP(S) API with a trust and an identity of its own, through libcurl: the Kubernetes API.
//
// A client keeps its connection between calls. https://, and http:// to this machine only; no redirects, no
// proxy of the environment unless HTTPS_PROXY names one. Blocking; one thread at a time. Failure: io_failed
// when nothing answered, timeout, interrupted; an answer with any status is an answer. Bounds: `limit` bytes
// of body.
//
// TCP keep-alive and TCP_USER_TIMEOUT end a call whose peer is gone without a word (a machine that lost its
// power, a path that drops packets) after 25 s at the latest, also while nothing is sent. A peer whose kernel
// lives and whose program does not is noticed only by the deadline; behind a proxy the peer is the proxy.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace slipway::io {

struct RestPeer {
  std::string base_url;       // "https://10.0.0.1:6443", without a last slash
  std::string authority_pem;  // empty: the system's
  std::string tls_name;       // expected in the certificate; empty: the URL's host
  bool skip_verification = false;
  std::string certificate_pem, key_pem;  // of the client; may be empty
};

struct RestCall {
  std::string method = "GET";
  std::string path = {};                  // with its query
  std::vector<std::string> headers = {};  // "Authorization: Bearer ..."; never logged
  std::string body = {};
  base::Deadline deadline = {};
  std::size_t limit = 64u << 20;
  // Gets the body of a success as it comes, instead of RestAnswer::body; its error ends the call.
  std::function<base::Result<void>(std::string_view)> sink = {};
  const std::atomic<bool>* cancelled = nullptr;  // looked at about once a second
};

struct RestAnswer {
  int status = 0;
  std::string body;
  std::uint64_t retry_after_s = 0;
};

class RestClient {
 public:
  explicit RestClient(RestPeer peer);
  ~RestClient();
  RestClient(RestClient&&) noexcept;
  RestClient& operator=(RestClient&&) noexcept;

  base::Result<RestAnswer> call(const RestCall& call);
  const RestPeer& peer() const { return peer_; }

 private:
  struct Handle;
  RestPeer peer_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace slipway::io
