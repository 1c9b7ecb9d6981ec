// What the client gets that is not relayed: whole answers, errors, the list of models.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "codec/error_body.h"
#include "gateway/auth.h"
#include "gateway/session.h"

namespace slipway::gateway {

using base::Error, base::ErrorCode;
using nlohmann::ordered_json;

// The last word on this request: metrics, its log line, and what its key really used.
void Session::conclude(Outcome outcome, std::optional<ErrorCode> code) {
  if (std::exchange(concluded_, true)) return;
  facts_.outcome = outcome;
  facts_.code = code;
  facts_.duration = base::monotonic_now() - started_;
  facts_.request_id = id_;
  facts_.trace_id = trace_;
  if (key_) facts_.key_id = key_->id.str();
  if (replica_) facts_.replica = replica_->id.str();
  if (first_token_) facts_.first_token = *first_token_ - started_;
  const std::uint64_t tokens = facts_.usage ? facts_.usage->completion_tokens : facts_.events;
  if (first_token_ && last_token_ && tokens > 1)
    facts_.per_token = (*last_token_ - *first_token_) / static_cast<std::int64_t>(tokens - 1);
  release();
  lane_.observer.finished(facts_);
}

// What the request holds is given back before the client sees the end of its answer: the next request may
// arrive on another thread at once, and must not be counted beside this one.
void Session::release() {
  if (facts_.usage)
    admission_.settle(facts_.usage->prompt_tokens + facts_.usage->completion_tokens);
  else
    admission_.settle(facts_.events > 0 ? facts_.bytes_in / 3 + facts_.events : 0);
  on_replica_ = Counted();
  counted_ = Counted();
}

io::Task<> Session::answer(int status, std::string_view type, std::string_view body,
                           std::string_view retry_after) {
  facts_.status = status;
  facts_.bytes_out += body.size();
  release();
  base::Result<void> sent;
  if (status == 405)
    sent = co_await exchange_.respond(
        status, {{"content-type", type}, {"x-request-id", id_}, {"allow", allowed_methods(match_.path)}},
        body);
  else if (status == 401)
    sent = co_await exchange_.respond(
        status, {{"content-type", type}, {"x-request-id", id_}, {"www-authenticate", "Bearer"}}, body);
  else if (!retry_after.empty())
    sent = co_await exchange_.respond(
        status, {{"content-type", type}, {"x-request-id", id_}, {"retry-after", retry_after}}, body);
  else
    sent = co_await exchange_.respond(status, {{"content-type", type}, {"x-request-id", id_}}, body);
  if (!sent)
    conclude(Outcome::cancelled, ErrorCode::client_gone);
  else if (status < 400)
    conclude(Outcome::ok);
}

io::Task<> Session::refuse(Error error) {
  const ErrorCode code = error.code();
  const base::ErrorInfo& row = base::info(code);
  if (code == ErrorCode::client_gone || client_left()) {
    exchange_.abort();
    conclude(Outcome::cancelled, ErrorCode::client_gone);
    co_return;
  }
  if (code == ErrorCode::rate_limited) lane_.observer.limited(error.param());
  const Outcome outcome = row.http_status < 500 ? Outcome::refused : Outcome::failed;
  if (streaming_) {
    const std::string event = codec::openai_error_event(error, id_);
    facts_.bytes_out += event.size();
    const auto written = co_await exchange_.write(event);
    if (written) static_cast<void>(co_await exchange_.finish());
  } else {
    const auto wait = error.retry_after();
    co_await answer(row.http_status, "application/json", codec::openai_error(error, id_),
                    wait ? codec::retry_after_seconds(*wait) : std::string());
  }
  conclude(outcome, code);
}

// A replica's own refusal, when nobody else takes the request.
io::Task<> Session::relay_refusal(const Refusal& refusal) {
  if (streaming_) {
    const std::string event = "event: error\ndata: " + ordered_json::parse(refusal.body).dump() + "\n\n";
    const auto written = co_await exchange_.write(event);
    if (written) static_cast<void>(co_await exchange_.finish());
  } else {
    co_await answer(refusal.status, "application/json", refusal.body, refusal.retry_after);
  }
  conclude(refusal.status < 500 ? Outcome::refused : Outcome::failed, refusal.code);
}

namespace {

bool has_ready(const domain::Model& model) {
  return std::ranges::any_of(model.replicas,
                             [](const auto& r) { return r.state == domain::ReplicaState::ready; });
}

ordered_json model_json(const domain::Model& model) {
  ordered_json j = {{"id", model.id},        {"object", "model"},         {"created", model.created},
                    {"owned_by", "slipway"}, {"ready", has_ready(model)}, {"aliases", model.aliases}};
  if (model.context_tokens > 0) j["context_tokens"] = model.context_tokens;
  if (!has_ready(model) && !model.unready_reason.empty()) j["reason"] = model.unready_reason;
  return j;
}

}  // namespace

io::Task<> Session::answer_models(const domain::Key* key) {
  const auto snapshot = lane_.snapshot.share();
  if (match_.path == Path::model) {
    const domain::Model* model = snapshot->find(match_.model);
    if (model && may_use(key, model->id))
      co_await answer(200, "application/json", model_json(*model).dump());
    else
      co_await refuse(
          Error(ErrorCode::unknown_model, "no model `" + match_.model.substr(0, 200) + "` is deployed")
              .with_param("model"));
    co_return;
  }
  ordered_json data = ordered_json::array();
  for (const domain::Model& m : snapshot->models)
    if (may_use(key, m.id)) data.push_back(model_json(m));
  co_await answer(200, "application/json", ordered_json{{"object", "list"}, {"data", data}}.dump());
}

// 200 when every deployed model can answer (none deployed counts), so that a rollout waits for the weights;
// with ready_without_models when it is known which models there are.
io::Task<> Session::answer_ready() {
  const auto snapshot = lane_.snapshot.share();
  ordered_json waiting = ordered_json::object();
  for (const domain::Model& m : snapshot->models)
    if (!has_ready(m)) waiting[m.id] = m.unready_reason;
  const bool draining = lane_.core.draining.load(std::memory_order_relaxed);
  const bool known = lane_.core.options.ready_without_models ? snapshot->version > 0 : waiting.empty();
  const bool ready = known && !draining;
  const ordered_json body = {{"status", draining ? "draining"
                                        : ready  ? "ready"
                                                 : "waiting"},
                             {"waiting", waiting}};
  co_await answer(ready ? 200 : 503, "application/json", body.dump());
  conclude(ready ? Outcome::ok : Outcome::refused);
}

}  // namespace slipway::gateway
