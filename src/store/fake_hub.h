// A file server for tests that can break every promise of HTTP: it truncates, stalls, ignores ranges, flips
// bits, changes its ETag. Raw sockets on 127.0.0.1, one request a connection, one thread a connection. For
// tests only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace slipway::store {

struct HubRequest {
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case
  std::uint64_t begin = 0;                     // of its Range header
  std::optional<std::uint64_t> end;            // exclusive
  bool ranged = false;
};

struct HubReply {
  int status = 200;
  std::vector<std::string> headers;  // "ETag: \"1\""
  std::string body;
  bool length = true;                    // send Content-Length
  std::size_t send = std::string::npos;  // so many bytes of the body, then close
  std::function<void()> before_close;    // after those bytes: blocks as long as the test wants
};

// What an honest server answers.
HubReply serve(const HubRequest& request, std::string_view file, std::string_view etag);

class FakeHub {
 public:
  using Handler = std::function<HubReply(const HubRequest&)>;
  explicit FakeHub(Handler handler);
  ~FakeHub();
  std::string url(std::string_view path = "/") const;
  std::vector<HubRequest> requests() const;
  std::uint64_t body_bytes() const { return body_bytes_.load(); }  // sent so far
  void set_handler(Handler handler);

 private:
  void accept_loop();
  void answer(int fd);
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  Handler handler_;
  std::vector<HubRequest> requests_;
  std::vector<std::thread> connections_;
  std::atomic<std::uint64_t> body_bytes_{0};
  std::thread accepting_;
};

// Bytes that look like weights: the same for the same seed, and no two chunks alike.
std::string test_bytes(std::size_t size, std::uint64_t seed = 1);

}  // namespace slipway::store
