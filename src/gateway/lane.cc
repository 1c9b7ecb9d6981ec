#include "gateway/lane.h"

#include "gateway/session.h"

namespace slipway::gateway {
namespace {

io::HttpServerOptions server_options(const GatewayOptions& o) {
  io::HttpServerOptions s;
  s.max_connections = o.max_connections;
  s.head.max_bytes = o.max_head_bytes;
  s.max_body = o.json.max_bytes;
  s.stall_timeout = o.stall_timeout;
  return s;
}

}  // namespace

Lane::Lane(Core& c, int index)
    : core(c),
      observer(c.metrics, c.options.request_log),
      snapshot(c.snapshot),
      keys(c.keys),
      loop_(std::make_unique<io::Loop>("gateway-" + std::to_string(index))),
      client_(std::make_unique<io::HttpClient>(*loop_)) {}

Lane::~Lane() {
  stop();
}

base::Result<void> Lane::listen(const domain::Endpoint& endpoint, bool share_port) {
  io::HttpServerOptions options = server_options(core.options);
  options.reuse_port = share_port;
  server_ = std::make_unique<io::HttpServer>(
      *loop_, options, [this](io::Exchange& exchange) { return serve(*this, exchange); });
  SLIPWAY_RETURN_IF_ERROR(server_->listen(endpoint));
  loop_->post([this] { loop_->every(core.options.sweep, [this] { sweep(); }); });
  return {};
}

namespace {

io::Task<> drain_into(io::HttpServer& server, base::Deadline deadline,
                      std::shared_ptr<std::promise<std::size_t>> done) {
  const std::size_t cut = co_await server.drain(deadline);
  done->set_value(cut);
}

}  // namespace

std::future<std::size_t> Lane::drain(base::Deadline deadline) {
  auto done = std::make_shared<std::promise<std::size_t>>();
  auto result = done->get_future();
  loop_->spawn(drain_into(*server_, deadline, std::move(done)));
  return result;
}

void Lane::stop() {
  if (!loop_) return;
  const auto release = [this] {
    server_.reset();
    client_.reset();
  };
  if (std::exchange(started_, false)) {
    std::promise<void> released;
    loop_->post([&] {
      release();
      loop_->stop();  // nothing runs behind this: a session that went on would miss its client
      released.set_value();
    });
    released.get_future().wait();
  } else {
    release();
  }
  loop_.reset();  // ends the coroutines of requests that were cut
  observer.connections.add(-static_cast<double>(std::exchange(open_seen_, 0)));
  observer.flush();
}

void Lane::enter(Session& session) {
  session.next_ = sessions_;
  if (sessions_) sessions_->previous_ = &session;
  sessions_ = &session;
}

void Lane::leave(Session& session) {
  (session.previous_ ? session.previous_->next_ : sessions_) = session.next_;
  if (session.next_) session.next_->previous_ = session.previous_;
}

void Lane::sweep() {
  const base::MonotonicTime t = now();
  for (Session* s = sessions_; s != nullptr;) {
    Session* next = s->next_;
    s->sweep(t);
    s = next;
  }
  sample_connections();
  observer.flush();
}

void Lane::sample_connections() {
  if (!server_) return;  // stopping
  const io::HttpServer::Stats stats = server_->stats();
  if (stats.open != open_seen_)
    observer.connections.add(static_cast<double>(stats.open) - static_cast<double>(open_seen_));
  open_seen_ = stats.open;
  if (stats.refused != seen_.refused) observer.refused_connections.add(stats.refused - seen_.refused);
  if (stats.bad_requests != seen_.bad_requests)
    observer.bad_requests.add(stats.bad_requests - seen_.bad_requests);
  seen_ = stats;
}

}  // namespace slipway::gateway
