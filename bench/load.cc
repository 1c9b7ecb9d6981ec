// bench_load: a load client for OpenAI-shaped servers, without coordinated omission.
//
//   bench_load --connect 127.0.0.1:8000 --rate 10000 --duration 10 [--connections 256] [--stream] [--close]
//   ...
//
// Open loop (--rate): requests have intended times, and latency counts from the intended time, whether or not
// a connection was free then; a server that stalls is charged for everybody who had to wait. Closed loop (no
// --rate): every connection sends its next request when it has its answer, which measures the most that a
// server can do. Streams: time to the first event, time between reads that carried events, and goodput: the
// share of requests that kept both
// --slo-ttft-ms and --slo-itl-ms (mean of the request). Answers are checked to their last byte.
// One JSON object on stdout. One thread. Bounds: --connections; a backlog of kMaxBacklog intended requests.
#include <sys/prctl.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "load_response.h"
#include "net.h"

namespace {

using namespace bench;

constexpr std::size_t kMaxBacklog = 1'000'000;

struct Options {
  std::string connect, request;
  std::string body_file;
  double rate;
  double duration, warmup, grace;
  std::size_t connections;
  bool close, stream, poisson;
  double slo_ttft_ms, slo_itl_ms;
};

std::string make_request(const Flags& flags, bool stream, bool close) {
  std::string body;
  const std::string file = flags.text("--body", "");
  if (!file.empty()) {
    std::ifstream in(file, std::ios::binary);
    if (!in) die("cannot read " + file);
    body.assign(std::istreambuf_iterator<char>(in), {});
  } else {
    body = "{\"model\":\"" + flags.text("--model", "mock") +
           "\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful "
           "assistant.\"},{\"role\":\"user\",\"content\":\"" +
           std::string(150, 'x') + "\"}],\"max_tokens\":64,\"temperature\":0" +
           (stream ? ",\"stream\":true}" : "}");
  }
  std::string r = "POST " + flags.text("--path", "/v1/chat/completions") + " HTTP/1.1\r\nHost: 127.0.0.1\r\n";
  const std::string key = flags.text("--key", "");
  if (!key.empty()) r += "Authorization: Bearer " + key + "\r\n";
  if (close) r += "Connection: close\r\n";
  r += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  return r;
}

// Exact quantiles: every value is kept (10 bytes per request of a run that lasts seconds).
class Values {
 public:
  void add(std::int64_t ns) { values_.push_back(static_cast<float>(static_cast<double>(ns) / 1e6)); }
  std::string json() {
    if (values_.empty()) return "null";
    std::ranges::sort(values_);
    double sum = 0;
    for (const float v : values_) sum += v;
    char text[256];
    std::snprintf(text, sizeof(text),
                  R"({"mean":%.4f,"p50":%.4f,"p90":%.4f,"p99":%.4f,"p999":%.4f,"max":%.4f,"count":%zu})",
                  sum / static_cast<double>(values_.size()), at(0.5), at(0.9), at(0.99), at(0.999),
                  static_cast<double>(values_.back()), values_.size());
    return text;
  }

 private:
  double at(double q) const {
    const auto i = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values_.size())));
    return static_cast<double>(values_[std::min(values_.size() - 1, i == 0 ? 0 : i - 1)]);
  }
  std::vector<float> values_;
};

struct Connection {
  int fd = -1;
  bool busy = false;
  bool wants_out = false;
  std::size_t sent = 0;
  std::int64_t intended = 0;
  std::int64_t first_event = 0, last_event = 0;
  std::uint64_t reads_with_events = 0;
  bool fresh = true;  // no answer on this connection yet
  Response response;
};

class Load {
 public:
  Load(const Options& options) : o_(options), address_(parse_address(options.connect)) {
    start_ = now_ns();
    measure_from_ = start_ + static_cast<std::int64_t>(o_.warmup * 1e9);
    stop_ = measure_from_ + static_cast<std::int64_t>(o_.duration * 1e9);
    next_ = start_;
  }

  void run() {
    if (o_.rate <= 0)
      for (std::size_t i = 0; i < o_.connections; ++i) send_on(idle_or_new(), now_ns());
    std::vector<epoll_event> ready(512);
    const std::int64_t end = stop_ + static_cast<std::int64_t>(o_.grace * 1e9);
    while (now_ns() < end && (now_ns() < stop_ || in_flight_ > 0)) {
      if (o_.rate > 0) issue_due();
      const bool issuing = o_.rate > 0 && now_ns() < stop_;
      const int n = poll_.wait(ready.data(), static_cast<int>(ready.size()), issuing ? next_ : end);
      for (int i = 0; i < n; ++i) on_event(ready[static_cast<std::size_t>(i)]);
    }
    unfinished_ = in_flight_;
  }

  void print() {
    const double seconds = static_cast<double>(stop_ - measure_from_) / 1e9;
    std::printf(
        R"({"requests":%llu,"errors":%llu,"unfinished":%llu,"seconds":%.3f,"rate":%.1f,"events":%llu,"events_rate":%.1f,)"
        R"("most_open":%zu,"goodput":%.4f,"late_ms":%s,"latency_ms":%s,"ttft_ms":%s,"itl_ms":%s})"
        "\n",
        static_cast<unsigned long long>(done_), static_cast<unsigned long long>(errors_),
        static_cast<unsigned long long>(unfinished_), seconds, static_cast<double>(done_) / seconds,
        static_cast<unsigned long long>(events_), static_cast<double>(events_) / seconds, most_open_,
        done_ ? static_cast<double>(good_) / static_cast<double>(done_) : 0.0, late_.json().c_str(),
        latency_.json().c_str(), ttft_.json().c_str(), itl_.json().c_str());
  }

 private:
  bool measured(std::int64_t t) const { return t >= measure_from_ && t < stop_; }

  void issue_due() {
    const std::int64_t now = now_ns();
    while (next_ <= now && next_ < stop_) {
      if (backlog_.size() >= kMaxBacklog) die("the server is so far behind that the backlog is full");
      backlog_.push_back(next_);
      next_ += interval();
    }
    drain_backlog(now);
  }

  void drain_backlog(std::int64_t now) {
    while (!backlog_.empty()) {
      Connection* c = idle_or_new();
      if (!c) return;
      const std::int64_t intended = backlog_.front();
      backlog_.pop_front();
      if (measured(intended)) late_.add(now - intended);
      send_on(c, intended);
    }
  }

  std::int64_t interval() {
    const double mean = 1e9 / o_.rate;
    if (!o_.poisson) return static_cast<std::int64_t>(mean);
    random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
    const double u = static_cast<double>((random_ >> 11) + 1) / 9007199254740993.0;
    return static_cast<std::int64_t>(-std::log(u) * mean);
  }

  Connection* idle_or_new() {
    if (!idle_.empty()) {
      Connection* c = idle_.back();
      idle_.pop_back();
      return c;
    }
    if (all_.size() >= o_.connections) return nullptr;
    all_.push_back(std::make_unique<Connection>());
    connect_now(all_.back().get());
    return all_.back().get();
  }

  void connect_now(Connection* c) {
    c->fd = open_socket(address_);
    c->fresh = true;
    const int r = ::connect(c->fd, reinterpret_cast<const sockaddr*>(&address_.storage), address_.length);
    if (r != 0 && errno != EINPROGRESS) die("connect to " + o_.connect + ": " + std::strerror(errno));
    poll_.add(c->fd, EPOLLIN | EPOLLOUT, c);
    c->wants_out = true;
  }

  void send_on(Connection* c, std::int64_t intended) {
    c->busy = true;
    c->sent = 0;
    c->intended = intended;
    c->first_event = c->last_event = 0;
    c->reads_with_events = 0;
    c->response.reset();
    most_open_ = std::max(most_open_, ++in_flight_);
    if (!c->wants_out) push(c);  // else the connection is still being made
  }

  void push(Connection* c) {
    while (c->sent < o_.request.size()) {
      const ssize_t n = send(c->fd, o_.request.data() + c->sent, o_.request.size() - c->sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) return fail(c);
      c->sent += static_cast<std::size_t>(n);
    }
    const bool wants = c->sent < o_.request.size();
    if (wants != c->wants_out) poll_.modify(c->fd, EPOLLIN | (wants ? EPOLLOUT : 0u), c);
    c->wants_out = wants;
  }

  void on_event(const epoll_event& e) {
    auto* c = static_cast<Connection*>(e.data.ptr);
    if (e.events & EPOLLOUT) {
      if (c->busy)
        push(c);
      else
        poll_.modify(c->fd, EPOLLIN, c), c->wants_out = false;
    }
    if (e.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_some(c);
  }

  void read_some(Connection* c) {
    static char buffer[256 * 1024];
    const ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return c->busy ? fail(c) : reconnect_idle(c);
    const std::uint64_t events_before = c->response.events();
    if (!c->busy || !c->response.feed({buffer, static_cast<std::size_t>(n)})) return fail(c);
    if (c->response.events() != events_before) on_events(c, c->response.events() - events_before);
    if (c->response.complete()) finish(c);
  }

  void on_events(Connection* c, std::uint64_t count) {
    const std::int64_t now = now_ns();
    if (measured(now)) events_ += count;
    ++c->reads_with_events;
    if (c->first_event == 0)
      c->first_event = now;
    else if (measured(now))
      itl_.add(now - c->last_event);
    c->last_event = now;
  }

  void finish(Connection* c) {
    const std::int64_t now = now_ns();
    const bool counted = o_.rate > 0 ? measured(c->intended) : measured(now);
    if (!c->response.good()) return fail(c);
    if (counted) {
      ++done_;
      latency_.add(now - c->intended);
      if (c->first_event) ttft_.add(c->first_event - c->intended);
      if (kept_slo(c)) ++good_;
    }
    const bool reuse = !o_.close && !c->response.closes();
    c->fresh = false;
    release(c, reuse);
  }

  bool kept_slo(const Connection* c) const {
    if (!o_.stream) return true;
    const double ttft = static_cast<double>(c->first_event - c->intended) / 1e6;
    const double gaps = c->reads_with_events > 1 ? static_cast<double>(c->reads_with_events - 1) : 1;
    const double itl = static_cast<double>(c->last_event - c->first_event) / 1e6 / gaps;
    return ttft <= o_.slo_ttft_ms && itl <= o_.slo_itl_ms;
  }

  void fail(Connection* c) {
    if (c->busy && now_ns() >= measure_from_) {
      ++errors_;
      if (errors_ <= 3)
        std::fprintf(stderr, "failed: status %d, %llu body bytes, errno %s\n", c->response.status(),
                     static_cast<unsigned long long>(c->response.bytes()), std::strerror(errno));
    }
    release(c, false);
  }

  // The connection has no request any more; it waits for the next, or gets it at once.
  void release(Connection* c, bool reuse) {
    if (std::exchange(c->busy, false)) --in_flight_;
    if (!reuse) {
      ::close(c->fd);
      if (now_ns() >= stop_) return;
      connect_now(c);
    }
    if (now_ns() >= stop_) return;
    if (o_.rate <= 0) return send_on(c, now_ns());
    idle_.push_back(c);
    drain_backlog(now_ns());
  }

  void reconnect_idle(Connection* c) {
    ::close(c->fd);
    connect_now(c);
  }

  Options o_;
  Address address_;
  Poll poll_;
  std::vector<std::unique_ptr<Connection>> all_;
  std::vector<Connection*> idle_;
  std::deque<std::int64_t> backlog_;
  std::int64_t start_ = 0, measure_from_ = 0, stop_ = 0, next_ = 0;
  std::uint64_t random_ = 88172645463325252ull;
  std::size_t in_flight_ = 0, most_open_ = 0;
  std::uint64_t done_ = 0, good_ = 0, errors_ = 0, unfinished_ = 0, events_ = 0;
  Values latency_, ttft_, itl_, late_;
};

}  // namespace

int main(int argc, char** argv) {
  const Flags flags(argc, argv);
  raise_file_limit();
  prctl(PR_SET_TIMERSLACK, 1);  // nanosecond waits are meant
  Options o{.connect = flags.text("--connect", "127.0.0.1:8000"),
            .request = "",
            .body_file = "",
            .rate = flags.number("--rate", 0),
            .duration = flags.number("--duration", 5),
            .warmup = flags.number("--warmup", 1),
            .grace = flags.number("--grace", 10),
            .connections = static_cast<std::size_t>(flags.number("--connections", 64)),
            .close = flags.has("--close"),
            .stream = flags.has("--stream"),
            .poisson = flags.has("--poisson"),
            .slo_ttft_ms = flags.number("--slo-ttft-ms", 1000),
            .slo_itl_ms = flags.number("--slo-itl-ms", 100)};
  o.request = make_request(flags, o.stream, o.close);
  Load load(o);
  load.run();
  load.print();
}
