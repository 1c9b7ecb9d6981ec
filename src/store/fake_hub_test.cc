// The hub itself; the tests that use it are in model_store_test.cc and chunked_download_test.cc.
#include "store/fake_hub.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "base/rng.h"

namespace slipway::store {
namespace {

std::string read_head(int fd) {
  std::string head;
  char c = 0;
  while (head.find("\r\n\r\n") == std::string::npos && ::recv(fd, &c, 1, 0) == 1) head += c;
  return head;
}

HubRequest parse(const std::string& head) {
  HubRequest request;
  const std::size_t space = head.find(' ');
  request.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
  std::size_t at = head.find("\r\n") + 2;
  for (std::size_t end = head.find("\r\n", at); end != at && end != std::string::npos;
       end = head.find("\r\n", at)) {
    const std::size_t colon = head.find(':', at);
    std::string name = head.substr(at, colon - at);
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
    request.headers[name] = head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  if (const auto range = request.headers.find("range"); range != request.headers.end()) {
    request.ranged = true;
    const std::string& text = range->second;  // "bytes=0-99"
    request.begin = std::strtoull(text.c_str() + 6, nullptr, 10);
    const std::size_t dash = text.find('-');
    if (dash + 1 < text.size()) request.end = std::strtoull(text.c_str() + dash + 1, nullptr, 10) + 1;
  }
  return request;
}

void send_all(int fd, std::string_view bytes, std::atomic<std::uint64_t>* count) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    if (count != nullptr) count->fetch_add(static_cast<std::uint64_t>(n));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

HubReply serve(const HubRequest& request, std::string_view file, std::string_view etag) {
  HubReply reply;
  if (!etag.empty()) reply.headers.push_back(fmt::format("ETag: \"{}\"", etag));
  if (!request.ranged) {
    reply.body = file;
    return reply;
  }
  if (request.begin >= file.size())
    return {.status = 416,
            .headers = {fmt::format("Content-Range: bytes */{}", file.size())},
            .body = "",
            .before_close = {}};
  const std::uint64_t end = std::min<std::uint64_t>(request.end.value_or(file.size()), file.size());
  reply.status = 206;
  reply.body = file.substr(request.begin, end - request.begin);
  reply.headers.push_back(fmt::format("Content-Range: bytes {}-{}/{}", request.begin, end - 1, file.size()));
  return reply;
}

FakeHub::FakeHub(Handler handler) : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  SLIPWAY_CHECK(::bind(listener_, raw, length) == 0 && ::listen(listener_, 64) == 0);
  SLIPWAY_CHECK(::getsockname(listener_, raw, &length) == 0);
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread([this] { accept_loop(); });
}

FakeHub::~FakeHub() {
  ::shutdown(listener_, SHUT_RDWR);  // wakes accept()
  accepting_.join();
  ::close(listener_);
  for (std::thread& connection : connections_) connection.join();
}

std::string FakeHub::url(std::string_view path) const {
  return fmt::format("http://127.0.0.1:{}{}", port_, path);
}

std::vector<HubRequest> FakeHub::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

void FakeHub::set_handler(Handler handler) {
  std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

void FakeHub::accept_loop() {
  while (true) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    connections_.emplace_back([this, fd] { answer(fd); });
  }
}

void FakeHub::answer(int fd) {
  const HubRequest request = parse(read_head(fd));
  Handler handler;
  {
    std::lock_guard lock(mutex_);
    requests_.push_back(request);
    handler = handler_;
  }
  const HubReply reply = handler(request);
  std::string head = fmt::format("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
  if (reply.length) head += fmt::format("Content-Length: {}\r\n", reply.body.size());
  for (const std::string& header : reply.headers) head += header + "\r\n";
  send_all(fd, head + "\r\n", nullptr);
  send_all(fd, std::string_view(reply.body).substr(0, reply.send), &body_bytes_);
  if (reply.before_close) reply.before_close();
  ::close(fd);
}

std::string test_bytes(std::size_t size, std::uint64_t seed) {
  base::Rng rng(seed);
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t word = rng.next();
    std::memcpy(bytes.data() + i, &word, std::min<std::size_t>(8, size - i));
  }
  return bytes;
}

}  // namespace slipway::store
