#include "gateway/session.h"

#include <algorithm>
#include <charconv>

#include "base/ids.h"
#include "gateway/auth.h"
#include "policy/limit.h"
#include "telemetry/trace.h"

namespace slipway::gateway {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr std::size_t kMaxRequestId = 128;

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxRequestId && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  });
}

}  // namespace

io::Task<> serve(Lane& lane, io::Exchange& exchange) {
  Session session(lane, exchange);
  co_await session.run();
}

Session::Session(Lane& lane, io::Exchange& exchange)
    : lane_(lane), exchange_(exchange), started_(base::monotonic_now()), last_write_(started_) {
  deadline_ = started_ + lane.core.options.request_timeout;
  lane_.enter(*this);
}

Session::~Session() {
  lane_.leave(*this);
}

void Session::read_head() {
  const codec::HttpHead& head = exchange_.head();
  match_ = match_path(head.path());
  const auto given = head.find("x-request-id");
  id_ = given && is_request_id(*given) ? std::string(*given) : base::make_request_id(base::wall_now()).str();
  facts_.path = match_.path;
}

// The key behind the request and what it may do here; nullptr when the caller is nobody in particular.
Result<const domain::Key*> Session::check_caller() {
  keys_ = lane_.keys.share();
  const Core& core = lane_.core;
  const AuthRules rules{.required = keys_->required || core.off_loopback, .local_socket = core.local_socket};
  SLIPWAY_TRY(const domain::Key* key, authenticate(exchange_.head(), *keys_, rules, base::wall_now()));
  if (key) SLIPWAY_RETURN_IF_ERROR(check_scope(*key, match_.path == Path::metrics ? "admin" : "inference"));
  return key;
}

io::Task<> Session::run() {
  read_head();
  const std::string_view method = exchange_.head().method;
  if (match_.path == Path::other) {
    co_await refuse(
        Error(ErrorCode::not_found, "there is nothing at `" + std::string(exchange_.head().path()) + "`"));
    co_return;
  }
  if (method != (is_relayed(match_.path) ? "POST" : "GET") && (is_relayed(match_.path) || method != "HEAD")) {
    co_await refuse(
        Error(ErrorCode::method_not_allowed, "this path takes " + std::string(allowed_methods(match_.path))));
    co_return;
  }
  if (match_.path == Path::health) {
    co_await answer(200, "application/json", "{\"status\":\"ok\"}");
    co_return;
  }
  if (match_.path == Path::ready) {
    co_await answer_ready();
    co_return;
  }
  auto caller = check_caller();
  if (!caller) {
    co_await refuse(std::move(caller).error());
    co_return;
  }
  key_ = *caller;
  if (match_.path == Path::metrics)
    co_await answer(200, "text/plain; version=0.0.4", lane_.core.metrics.render(false));
  else if (is_relayed(match_.path))
    co_await relay_call();
  else
    co_await answer_models(key_);
}

// x-slipway-timeout-ms may shorten the deadline.
Result<void> Session::read_timeout() {
  const auto header = exchange_.head().find("x-slipway-timeout-ms");
  if (!header) return {};
  std::int64_t ms = 0;
  const auto [end, failed] = std::from_chars(header->data(), header->data() + header->size(), ms);
  if (failed != std::errc() || end != header->data() + header->size() || ms <= 0)
    return Error(ErrorCode::bad_request,
                 "the header x-slipway-timeout-ms must be a positive number of milliseconds")
        .with_param("x-slipway-timeout-ms");
  if (std::chrono::milliseconds(ms) < lane_.core.options.request_timeout)
    deadline_ = started_ + std::chrono::milliseconds(ms);
  return {};
}

// From the body to a request that can be sent: nothing waits between the reader's two steps, which share its
// buffers.
Result<void> Session::prepare(std::string_view body) {
  facts_.bytes_in = body.size();
  SLIPWAY_TRY(request_, lane_.reader.parse(call_of(match_.path), body, lane_.core.options.json));
  SLIPWAY_RETURN_IF_ERROR(find_model(request_.model));
  facts_.stream = request_.stream;
  const bool generates = match_.path == Path::chat || match_.path == Path::completions;
  std::optional<std::uint64_t> answer = generates ? request_.max_tokens : 0;
  if (answer && model_->context_tokens > 0)
    answer = std::min(*answer, static_cast<std::uint64_t>(model_->context_tokens));
  if (match_.path != Path::tokenize && match_.path != Path::detokenize)
    SLIPWAY_RETURN_IF_ERROR(
        admission_.reserve(policy::reservation(body.size(), answer, request_.n), started_));
  lane_.reader.serialize(model_->served_as.empty() ? model_->id : model_->served_as, body_);
  if (model_->dialect == domain::Dialect::triton_generate) SLIPWAY_RETURN_IF_ERROR(translate());
  const auto& quarantined = lane_.core.options.quarantined;
  if (quarantined && quarantined(codec::request_fingerprint(body_)))
    return Error(ErrorCode::quarantined, "this request ended two replicas; it is refused for 10 minutes");
  return {};
}

// body_ in the words of a replica that does not speak OpenAI's.
Result<void> Session::translate() {
  if (match_.path != Path::completions)
    return Error(ErrorCode::unsupported,
                 "`" + model_->id + "` is served by Triton, which takes /v1/completions only")
        .with_param("model");
  const auto created = std::chrono::duration_cast<std::chrono::seconds>(base::wall_now().time_since_epoch());
  SLIPWAY_TRY(triton_, codec::TritonCall::make(body_, id_, created.count()));
  body_ = triton_->body();
  return {};
}

Result<void> Session::find_model(std::string_view wanted) {
  snapshot_ = lane_.snapshot.share();
  model_ =
      wanted.empty() && snapshot_->models.size() == 1 ? &snapshot_->models.front() : snapshot_->find(wanted);
  if (wanted.empty() && !model_)
    return Error(ErrorCode::bad_request, "`model` is required").with_param("model");
  if (!model_) {
    std::string known;
    for (const domain::Model& m : snapshot_->models)
      if (may_use(key_, m.id)) known += (known.empty() ? "" : ", ") + m.id;
    return Error(ErrorCode::unknown_model, "no model `" + std::string(wanted.substr(0, 200)) +
                                               "` is deployed" +
                                               (known.empty() ? "; none is" : "; there are: " + known))
        .with_param("model");
  }
  if (!may_use(key_, model_->id))
    return Error(ErrorCode::key_scope, "this API key may not use the model `" + model_->id + "`")
        .with_param("model");
  facts_.model = model_->id;
  return {};
}

// A client that leaves, a deadline that passes, a stream that is silent: noticed here for every request older
// than a sweep.
void Session::sweep(base::MonotonicTime now) {
  if (!watched_) {
    watched_ = true;
    exchange_.on_client_gone([this] {
      gone_ = true;
      send_.cancel();
      if (upstream_) upstream_->cancel();
    });
  }
  if (!waiting_) return;
  if (now >= deadline_) {
    late_ = true;
    send_.cancel();
    if (upstream_) upstream_->cancel();
    return;
  }
  if (!request_.stream) return;
  if (!streaming_ && (now - started_ < lane_.core.options.head_hold || !start_stream())) return;
  // The first comment carries the head, so that the client knows early that its request was taken.
  if (head_sent_ && now - last_write_ < lane_.core.options.keep_alive) return;
  if (!exchange_.try_write(head_sent_ ? ": keep-alive\n\n" : ": waiting for the first token\n\n")) return;
  head_sent_ = true;
  facts_.status = 200;
  last_write_ = now;
  lane_.observer.comments.add();
}

}  // namespace slipway::gateway
