// A call on its way through: choose a replica, ask, try elsewhere, and pass the answer on.
#include <algorithm>

#include "base/check.h"
#include "codec/error_body.h"
#include "gateway/session.h"
#include "telemetry/trace.h"

namespace slipway::gateway {

using base::Error, base::ErrorCode, base::Result;

namespace {

constexpr std::size_t kMaxRefusal = 64 * 1024;
// One event; a whole answer may be as large as GatewayOptions::max_answer_bytes.
constexpr std::size_t kMaxEvent = 1u << 20;
constexpr std::size_t kMaxImages = 64u << 20;  // eight pictures as text
constexpr std::chrono::milliseconds kReplicaRetry{1000};

bool is_type(const codec::HttpHead& head, std::string_view type) {
  return head.find("content-type").value_or("").starts_with(type);
}

std::optional<ErrorCode> code_of(std::string_view name) {
  const base::ErrorInfo* row = base::find_error(name);
  return row ? std::optional(row->code) : std::nullopt;
}

}  // namespace

io::Task<> Session::relay_call() {
  if (lane_.core.draining.load(std::memory_order_relaxed)) {
    co_await refuse(
        Error(ErrorCode::draining, "this gateway is shutting down").with_retry_after(kReplicaRetry));
    co_return;
  }
  if (key_) {
    auto admitted = lane_.core.limits.admit(*key_, started_);
    if (!admitted) {
      co_await refuse(std::move(admitted).error());
      co_return;
    }
    admission_ = *std::move(admitted);
  }
  counted_ = Counted(lane_.core.requests);
  auto ready = read_timeout();
  if (ready) {
    auto body = co_await exchange_.body();
    ready = body ? prepare(*body) : Result<void>(std::move(body).error());
  }
  if (!ready) {
    co_await refuse(std::move(ready).error());
    co_return;
  }
  auto upstream = co_await ask();
  if (!upstream) {
    co_await refuse(std::move(upstream).error());
    co_return;
  }
  if (!*upstream) co_return;  // the replica's refusal was relayed
  const codec::HttpHead& head = (*upstream)->head();
  if (request_.stream && head.status == 200 && is_type(head, "text/event-stream"))
    co_await stream(*std::move(upstream));
  else
    co_await whole(*std::move(upstream));
}

// Sets replica_ and counts the request there.
Result<void> Session::choose() {
  const base::MonotonicTime before = base::monotonic_now();
  auto& loads = lane_.loads;
  loads.clear();
  for (const domain::Replica& r : model_->replicas) {
    SLIPWAY_CHECK(r.slot < domain::kMaxReplicas);
    loads.push_back(lane_.core.in_flight[r.slot].load(std::memory_order_relaxed));
  }
  const policy::Route route = lane_.core.route({.model = model_,
                                                .in_flight = loads,
                                                .tried = tried_,
                                                .prompt_hash = request_.prompt_hash,
                                                .prompt_bytes = request_.prompt_bytes});
  const base::MonotonicTime after = base::monotonic_now();
  lane_.observer.route_seconds.observe(base::seconds(after - before));
  if (facts_.attempts == 0) lane_.observer.overhead.observe(base::seconds(after - started_));
  if (!route.replica) {
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(model_->retry_after);
    return Error(ErrorCode::no_replica, "no replica of `" + model_->id +
                                            "` can take this request: " + policy::explain(route, *model_))
        .with_retry_after(std::max(wait, kReplicaRetry));
  }
  replica_ = &model_->replicas[*route.replica];
  on_replica_ = Counted(lane_.core.in_flight[replica_->slot]);
  return {};
}

io::HttpRequest Session::request_for(std::string_view body) {
  if (trace_parent_.empty()) {
    const auto given = telemetry::parse_traceparent(exchange_.head().find("traceparent").value_or(""));
    const telemetry::TraceContext context = given ? telemetry::child_of(*given) : telemetry::new_trace();
    trace_parent_ = telemetry::format_traceparent(context);
    trace_ = context.trace_id_hex();
  }
  io::HttpRequest request;
  request.method = "POST";
  request.target = triton_ ? std::string_view(triton_->target()) : match_.target;
  request.headers = {
      {"content-type", "application/json"}, {"x-request-id", id_}, {"traceparent", trace_parent_}};
  if (key_) request.headers.push_back({"x-slipway-cache-salt", key_->id.str()});
  request.body = body;
  request.cancel = &send_;
  return request;
}

// The error of the replica's connection as the client hears of it.
Error Session::upstream_error(const Error& error, bool answered) {
  if (gone_) return Error(ErrorCode::client_gone, "the client left");
  if (late_ || base::monotonic_now() >= deadline_)
    return Error(ErrorCode::deadline,
                 "no complete answer within " + base::human_duration(deadline_ - started_));
  const std::string who = "the replica `" + replica_->id.str() + "` ";
  if (error.code() == ErrorCode::bad_http || error.code() == ErrorCode::headers_too_large ||
      error.code() == ErrorCode::body_too_large || error.code() == ErrorCode::upstream_garbage)
    return Error(ErrorCode::upstream_garbage, who + "gave no valid answer: " + error.message());
  return Error(
             ErrorCode::replica_lost,
             who + (answered ? "ended in the middle of its answer: " : "did not answer: ") + error.message())
      .with_retry_after(kReplicaRetry);
}

// The head of the first replica that takes the request. An empty pointer: a refusal was relayed to the
// client.
io::Task<Result<Session::Upstream>> Session::ask() {
  lane_.retries.earn();
  Refusal refusal;
  std::optional<Error> failure;
  while (true) {
    auto chosen = choose();
    if (!chosen) {
      if (refusal.status == 0) co_return failure ? *std::move(failure) : std::move(chosen).error();
      co_await relay_refusal(refusal);
      co_return Upstream();
    }
    ++facts_.attempts;
    const std::string timeout = std::to_string(
        std::max<std::int64_t>(1, (deadline_ - base::monotonic_now()) / std::chrono::milliseconds(1)));
    io::HttpRequest request = request_for(body_);
    request.headers.push_back({"x-slipway-timeout-ms", timeout});
    waiting_ = true;
    auto upstream = co_await lane_.client().send(replica_->endpoint, request, base::Deadline(deadline_));
    waiting_ = false;
    if (upstream) {
      const bool refused = co_await take_refusal(*upstream, refusal);
      if (!refused) co_return std::move(upstream);
    } else {
      failure = upstream_error(upstream.error(), false);
      lane_.observer.upstream_failed(model_->id, failure->code());
      if (failure->code() != ErrorCode::replica_lost) co_return *std::move(failure);
      lane_.client().forget(replica_->endpoint);
    }
    on_replica_ = Counted();
    tried_.push_back(replica_->slot);
    if (facts_.attempts >= lane_.core.options.max_attempts || !lane_.retries.spend()) {
      if (refusal.status == 0) co_return *std::move(failure);
      co_await relay_refusal(refusal);
      co_return Upstream();
    }
    lane_.observer.retried(model_->id);
  }
}

// True when the answer is a refusal that another replica might not give; it is read and kept.
io::Task<bool> Session::take_refusal(Upstream& upstream, Refusal& refusal) {
  const int status = upstream->head().status;
  if ((status != 429 && status != 503) || !is_type(upstream->head(), "application/json")) co_return false;
  const std::string retry_after(upstream->head().find("retry-after").value_or(""));
  auto body = co_await upstream->read_all(kMaxRefusal);
  if (body && triton_) *body = triton_->answer(status, *body);
  if (!body || !lane_.answers.read(*body).object) {
    refusal = {502,
               codec::openai_error(Error(ErrorCode::upstream_garbage,
                                         "the replica `" + replica_->id.str() + "` refused without a reason"),
                                   id_),
               "", ErrorCode::upstream_garbage};
    co_return true;
  }
  const auto code = code_of(codec::parse_openai_error(*body).code);
  refusal = {status, *std::move(body), retry_after, code};
  co_return true;
}

bool Session::start_stream() {
  if (streaming_) return true;
  streaming_ = exchange_
                   .start_stream(200, {{"content-type", "text/event-stream"},
                                       {"cache-control", "no-store"},
                                       {"x-request-id", id_}})
                   .has_value();
  return streaming_;
}

io::Task<> Session::stream(Upstream upstream) {
  if (!start_stream()) {
    conclude(Outcome::cancelled, ErrorCode::client_gone);
    co_return;
  }
  facts_.status = 200;
  lane_.observer.streams.add(1);
  series_ = &lane_.observer.series(model_->id);
  codec::SseRelay sse(request_.include_usage, kMaxEvent);
  upstream_ = upstream.get();
  body_ = {};  // a long stream keeps no prompt
  auto pumped = co_await pump(*upstream, sse);
  upstream_ = nullptr;
  upstream.reset();  // an unfinished answer is cancelled here, before anything else waits
  lane_.observer.streams.add(-1);
  facts_.events = sse.data_events();
  facts_.usage = sse.usage();
  if (!pumped) {
    co_await refuse(std::move(pumped).error());
    co_return;
  }
  const auto finished = co_await exchange_.finish();
  if (!finished)
    conclude(Outcome::cancelled, ErrorCode::client_gone);
  else if (sse.error())
    conclude(Outcome::failed, ErrorCode::replica_lost);
  else
    conclude(Outcome::ok);
}

// Moves pieces until the replica's clean end. An end without [DONE] is none, unless the replica said an
// error.
io::Task<Result<void>> Session::pump(io::HttpResponse& upstream, codec::SseRelay& sse) {
  while (true) {
    waiting_ = true;
    auto piece = co_await upstream.read_some();
    waiting_ = false;
    if (!piece) {
      Error error = upstream_error(piece.error(), true);
      lane_.observer.upstream_failed(model_->id, error.code());
      co_return error;
    }
    const bool ended = piece->empty();
    if (ended && !triton_) break;
    const std::string translated = !triton_ ? std::string()
                                   : ended  ? triton_->finish()
                                            : triton_->feed(*piece);
    const std::uint64_t events_before = sse.data_events();
    auto events = sse.feed(triton_ ? std::string_view(translated) : *piece);
    if (!events) co_return upstream_error(events.error(), true);
    facts_.events = sse.data_events();
    if (sse.done()) {
      facts_.usage = sse.usage();
      release();
    }
    if (!events->empty()) {
      const auto written = co_await exchange_.write(*events);
      if (!written) co_return Error(ErrorCode::client_gone, "the client left");
      piece_sent(sse, events_before, events->size());
    }
    if (ended) break;
  }
  if (sse.done() || sse.error()) co_return Result<void>();
  co_return upstream_error(Error(ErrorCode::io_failed, "the stream ended before its last event"), true);
}

void Session::piece_sent(const codec::SseRelay& sse, std::uint64_t events_before, std::size_t bytes) {
  facts_.bytes_out += bytes;
  head_sent_ = true;
  last_write_ = lane_.now();
  if (!sse.first_token()) return;
  if (!first_token_) {
    first_token_ = last_token_ = last_write_;
    return;
  }
  // Several tokens of one piece share the time since the piece before.
  const std::uint64_t count = sse.data_events() - events_before;
  if (count == 0) return;
  const double each = base::seconds(last_write_ - *last_token_) / static_cast<double>(count);
  last_token_ = last_write_;
  telemetry::Histogram& gaps = *series_->inter_token;
  for (std::uint64_t i = 0; i < count; ++i) gaps.observe(each);
}

// An answer that is one JSON document, good or bad.
io::Task<> Session::whole(Upstream upstream) {
  const int status = upstream->head().status;
  const bool json = is_type(upstream->head(), "application/json");
  const std::string retry_after(upstream->head().find("retry-after").value_or(""));
  upstream_ = upstream.get();
  waiting_ = true;
  auto body = co_await upstream->read_all(match_.path == Path::images ? kMaxImages
                                                                      : lane_.core.options.max_answer_bytes);
  waiting_ = false;
  upstream_ = nullptr;
  upstream.reset();
  if (!body) {
    Error error = upstream_error(body.error(), true);
    lane_.observer.upstream_failed(model_->id, error.code());
    co_await refuse(std::move(error));
    co_return;
  }
  if (triton_) *body = triton_->answer(status, *body);
  const bool expected = json && !(status == 200 && request_.stream);
  const codec::AnswerFacts facts = expected ? lane_.answers.read(*body) : codec::AnswerFacts();
  if (!facts.object) {
    lane_.observer.upstream_failed(model_->id, ErrorCode::upstream_garbage);
    co_await refuse(
        upstream_error(Error(ErrorCode::upstream_garbage, "it is not a JSON object of the API"), true));
    co_return;
  }
  if (status != 200) {
    const auto code = code_of(codec::parse_openai_error(*body).code);
    co_await relay_refusal({status, *std::move(body), retry_after, code});
    co_return;
  }
  facts_.usage = facts.usage;
  co_await answer(200, "application/json", *body);
}

}  // namespace slipway::gateway
