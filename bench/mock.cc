// A mock replica for bench/gateway: answers at once and costs little, so that what stands before it is what
// is measured.
//
//   bench_mock --listen 127.0.0.1:9001 [--events 128] [--events-per-write 1] [--interval-us 20000]
//   [--answer-bytes 600]
//
// A body with "stream":true gets an SSE stream: `events` chunks, `events-per-write` of them in one write (one
// HTTP chunk) every `interval-us`, then the usage event and [DONE]. All streams tick together, as a batching
// engine's sequences do. Everything else gets one fixed JSON answer. One thread, keep-alive, only
// Content-Length bodies.
#include <memory>
#include <vector>

#include "net.h"

namespace {

using namespace bench;

struct Stream {
  int sent = 0;
  std::int64_t due_ns = 0;
};

struct Connection {
  int fd = -1;
  std::string in;
  std::string out;
  std::size_t out_sent = 0;
  bool streaming = false;
  bool wants_out = false;
  Stream stream;
  std::size_t index = 0;  // in the list of streaming connections
};

struct Mock {
  int events, per_write;
  std::int64_t interval_ns;
  Poll poll;
  std::string answer, stream_head, one_event, last_events;
  std::vector<Connection*> streams;
  std::int64_t tick_ns = 0;

  explicit Mock(const Flags& flags)
      : events(static_cast<int>(flags.number("--events", 128))),
        per_write(static_cast<int>(flags.number("--events-per-write", 1))),
        interval_ns(static_cast<std::int64_t>(flags.number("--interval-us", 20'000) * 1e3)) {
    const auto bytes = static_cast<std::size_t>(flags.number("--answer-bytes", 600));
    std::string body =
        R"({"id":"chatcmpl-mock","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,)"
        R"("message":{"role":"assistant","content":")";
    const std::string tail =
        R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":16,"total_tokens":36}})";
    if (body.size() + tail.size() < bytes) body.append(bytes - body.size() - tail.size(), 'a');
    body += tail;
    answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
             std::to_string(body.size()) + "\r\n\r\n" + body;
    stream_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    one_event =
        R"(data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1,"model":"mock","choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]})"
        "\n\n";
    last_events =
        chunk(
            R"(data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1,"model":"mock","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":)" +
            std::to_string(events) + "}}\n\ndata: [DONE]\n\n") +
        "0\r\n\r\n";
  }

  static std::string chunk(const std::string& data) {
    char size[32];
    std::snprintf(size, sizeof(size), "%zx\r\n", data.size());
    return size + data + "\r\n";
  }

  void close_connection(Connection* c) {
    if (c->streaming) drop_stream(c);
    close(c->fd);
    delete c;
  }

  void drop_stream(Connection* c) {
    streams[c->index] = streams.back();
    streams[c->index]->index = c->index;
    streams.pop_back();
    c->streaming = false;
  }

  // False when the connection is gone.
  bool send_out(Connection* c) {
    while (c->out_sent < c->out.size()) {
      const ssize_t n = send(c->fd, c->out.data() + c->out_sent, c->out.size() - c->out_sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) return false;
      c->out_sent += static_cast<std::size_t>(n);
    }
    if (c->out_sent == c->out.size()) c->out.clear(), c->out_sent = 0;
    const bool wants = !c->out.empty();
    if (wants != c->wants_out) poll.modify(c->fd, EPOLLIN | (wants ? EPOLLOUT : 0u), c);
    c->wants_out = wants;
    return true;
  }

  void answer_request(Connection* c, std::string_view body) {
    if (body.find("\"stream\":true") == std::string_view::npos) {
      c->out += answer;
      return;
    }
    c->out += stream_head;
    c->streaming = true;
    c->stream = {.sent = 0, .due_ns = 0};
    c->index = streams.size();
    streams.push_back(c);
  }

  bool read_requests(Connection* c) {
    static char buffer[256 * 1024];
    const ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return false;
    if (n > 0) c->in.append(buffer, static_cast<std::size_t>(n));
    while (true) {
      const auto head_end = c->in.find("\r\n\r\n");
      if (head_end == std::string::npos) break;
      std::size_t length = 0;
      const std::string_view head(c->in.data(), head_end);
      for (std::size_t i = 0; i + 15 < head.size(); ++i)
        if (head[i] == '\n' && strncasecmp(head.data() + i + 1, "content-length:", 15) == 0)
          length = static_cast<std::size_t>(std::atol(head.data() + i + 16));
      if (c->in.size() < head_end + 4 + length) break;
      answer_request(c, std::string_view(c->in).substr(head_end + 4, length));
      c->in.erase(0, head_end + 4 + length);
    }
    return send_out(c);
  }

  // One write for every stream; those that are done get their end.
  void tick() {
    for (std::size_t i = 0; i < streams.size();) {
      Connection* c = streams[i];
      std::string data;
      const int count = std::min(per_write, events - c->stream.sent);
      for (int k = 0; k < count; ++k) data += one_event;
      c->stream.sent += count;
      if (c->out.size() < 1u << 20) c->out += chunk(data);
      const bool over = c->stream.sent >= events;
      if (over) {
        c->out += last_events;
        drop_stream(c);
      }
      if (!send_out(c)) {
        close_connection(c);
        continue;
      }
      if (!over) ++i;
    }
  }

  void run(const std::string& listen_on) {
    const Address address = parse_address(listen_on);
    const int listener = open_socket(address);
    const int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 ||
        listen(listener, 4096) != 0)
      die("cannot listen on " + listen_on + ": " + std::strerror(errno));
    poll.add(listener, EPOLLIN, nullptr);
    std::printf("ready\n");
    std::fflush(stdout);
    tick_ns = now_ns() + interval_ns;
    std::vector<epoll_event> ready(512);
    while (true) {
      const std::int64_t until = streams.empty() ? now_ns() + 1'000'000'000 : tick_ns;
      const int n = poll.wait(ready.data(), static_cast<int>(ready.size()), until);
      for (int i = 0; i < n; ++i) serve(listener, ready[static_cast<std::size_t>(i)]);
      const std::int64_t now = now_ns();
      if (now < tick_ns) continue;
      if (!streams.empty()) tick();
      tick_ns += interval_ns;
      if (tick_ns < now) tick_ns = now;  // behind: no burst of missed ticks
    }
  }

  void serve(int listener, const epoll_event& event) {
    if (event.data.ptr == nullptr) {
      while (true) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        const int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        auto* c = new Connection;
        c->fd = fd;
        poll.add(fd, EPOLLIN, c);
      }
    }
    auto* c = static_cast<Connection*>(event.data.ptr);
    bool alive = true;
    if (event.events & EPOLLOUT) alive = send_out(c);
    if (alive && (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR))) alive = read_requests(c);
    if (!alive) close_connection(c);
  }
};

}  // namespace

int main(int argc, char** argv) {
  const Flags flags(argc, argv);
  raise_file_limit();
  Mock mock(flags);
  mock.run(flags.text("--listen", "127.0.0.1:9001"));
}
