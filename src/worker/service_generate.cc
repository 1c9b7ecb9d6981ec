// A completion from its body to its last byte.
#include <fmt/format.h>

#include <chrono>

#include "codec/error_body.h"
#include "codec/openai_request.h"
#include "io/offload.h"
#include "worker/service.h"

namespace slipway::worker {

using base::Error, base::ErrorCode, base::Result;

namespace {

std::string answer_id(Operation operation, std::string_view request_id) {
  if (request_id.starts_with("req_")) request_id.remove_prefix(4);
  return fmt::format("{}-{}", operation == Operation::chat ? "chatcmpl" : "cmpl", request_id);
}

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(base::wall_now().time_since_epoch()).count();
}

Error too_late() {
  return Error(ErrorCode::deadline, "the request was not finished within its time");
}

}  // namespace

io::Task<> Service::chat(io::Exchange& exchange, Context context) {
  return generate(exchange, std::move(context), Operation::chat);
}

io::Task<> Service::completion(io::Exchange& exchange, Context context) {
  return generate(exchange, std::move(context), Operation::completion);
}

Result<void> Service::admit(Context& context, std::string_view body) const {
  if (draining_) return Error(ErrorCode::draining, "the replica is shutting down");
  if (engine_.plan().task == domain::ModelTask::embedding)
    return Error(ErrorCode::unsupported, "this model makes embeddings, not text")
        .with_next("Use /v1/embeddings.");
  context.fingerprint = codec::request_fingerprint(body);
  context.alone = alone_.contains(context.fingerprint);
  if (refused_.contains(context.fingerprint))
    return Error(ErrorCode::quarantined, "a request with this content ended two replicas");
  return {};
}

io::Task<> Service::generate(io::Exchange& exchange, Context context, Operation operation) {
  auto body = co_await exchange.body();
  if (!body) {
    co_await fail(exchange, context, std::move(body).error());
    co_return;
  }
  context.received = base::monotonic_now();
  if (auto admitted = admit(context, *body); !admitted) {
    metrics_.refused(admitted.error());
    co_await fail(exchange, context, std::move(admitted).error());
    co_return;
  }
  Result<Started> started = co_await io::run_on(
      preparing_loop(),
      [this, operation, text = std::string(*body), context] { return start(operation, text, context); });
  if (!started) {
    metrics_.refused(started.error());
    co_await fail(exchange, context, std::move(started).error());
    co_return;
  }
  const std::shared_ptr<Answer> answer = started->answer;
  answer->hold(std::move(started->tickets));
  exchange.on_client_gone(
      [answer] { answer->fail(Error(ErrorCode::client_gone, "the client closed the connection")); });
  ++open_;
  if (answer->context().prepared.params.stream)
    co_await stream(exchange, *answer, context);
  else
    co_await whole(exchange, *answer, context);
  --open_;
  if (!answer->over()) answer->fail(Error(ErrorCode::client_gone, "the client took no more of the answer"));
  metrics_.finished(*answer, operation == Operation::chat ? "chat" : "text_completion", context.received,
                    base::monotonic_now());
}

Result<Service::Started> Service::start(Operation operation, const std::string& body,
                                        const Context& context) {
  const engine::Vocabulary& vocabulary = engine_.vocabulary();
  SLIPWAY_TRY(Prepared prepared, operation == Operation::chat ? prepare_chat(vocabulary, format_, body)
                                                              : prepare_completion(vocabulary, body));
  return submit(std::move(prepared), context);
}

Result<Service::Started> Service::submit(Prepared prepared, const Context& context) {
  Started out;
  const std::string id = answer_id(prepared.operation, context.request_id);
  out.answer = std::make_shared<Answer>(
      AnswerContext{engine_.vocabulary(), format_, std::move(prepared)},
      codec::AnswerIdentity{id, engine_.plan().model_id, system_fingerprint_, unix_seconds()});
  const Prepared& what = out.answer->context().prepared;
  const auto n = static_cast<std::size_t>(what.params.n);
  for (std::size_t i = 0; i < out.answer->choice_count(); ++i) {
    engine::Request request;
    request.id = context.request_id;
    request.fingerprint = context.fingerprint;
    request.prompt = what.prompts[i / n];
    request.sampling = what.params.sampling;
    if (request.sampling.seed) *request.sampling.seed += static_cast<std::uint32_t>(i % n);
    request.max_tokens = what.params.max_tokens;
    request.cache_salt = context.cache_salt;
    request.run_alone = context.alone;
    SLIPWAY_TRY(auto ticket, engine_.submit(std::move(request), mailbox_.sink(out.answer, i)));
    out.tickets.push_back(std::move(ticket));
  }
  return out;
}

io::Task<> Service::wait(Answer& answer, const Context& context) {
  while (!answer.has_pending() && !answer.over()) {
    const bool in_time = co_await answer.wake.wait_until(context.deadline.at());
    if (!in_time && context.deadline.passed(base::monotonic_now())) answer.fail(too_late());
  }
}

io::Task<> Service::stream(io::Exchange& exchange, Answer& answer, const Context& context) {
  const auto head = exchange.start_stream(200, {{"content-type", "text/event-stream; charset=utf-8"},
                                                {"cache-control", "no-cache"},
                                                {"x-request-id", context.request_id}});
  if (!head) co_return;
  answer.write_roles();
  // Also when there is nothing to write yet: the head says that the request was admitted.
  auto sent = co_await exchange.write(answer.take_pending());
  while (sent) {
    co_await wait(answer, context);
    if (!answer.has_pending()) break;
    sent = co_await exchange.write(answer.take_pending());
  }
  if (!sent) co_return;
  if (const auto& error = answer.error()) {
    if (error->code() != ErrorCode::client_gone)
      sent = co_await exchange.write(codec::openai_error_event(*error, context.request_id));
  } else {
    answer.write_end();
    sent = co_await exchange.write(answer.take_pending());
  }
  if (sent) static_cast<void>(co_await exchange.finish());
}

io::Task<> Service::whole(io::Exchange& exchange, Answer& answer, const Context& context) {
  co_await wait(answer, context);
  if (const auto& error = answer.error()) {
    if (error->code() == ErrorCode::client_gone)
      exchange.abort();
    else
      co_await fail(exchange, context, *error);
    co_return;
  }
  const std::string body = answer.whole();
  static_cast<void>(co_await exchange.respond(
      200, {{"content-type", "application/json"}, {"x-request-id", context.request_id}}, body));
}

}  // namespace slipway::worker
