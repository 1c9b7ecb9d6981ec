#include "control/api.h"

#include <fmt/format.h>
#include <unistd.h>

#include <set>

#include "control/api_io.h"
#include "io/offload.h"
#include "telemetry/log.h"

namespace slipway::control {

using base::Error, base::ErrorCode, base::Result;
using nlohmann::json;

namespace {

constexpr std::string_view kPrefix = "/control/v1/";

Error no_such_call(const codec::HttpHead& head) {
  return Error(ErrorCode::not_found,
               fmt::format("the control API has no call {} {}", head.method, head.path()))
      .with_next("See docs/control-api.md.");
}

}  // namespace

Api::Api(ApiParts parts) : parts_(std::move(parts)) {}
Api::~Api() = default;

Result<void> Api::start(const std::filesystem::path& socket) {
  io::HttpServerOptions options;
  options.max_connections = 256;
  options.max_body = kMaxBody;
  server_ = std::make_unique<io::HttpServer>(parts_.loop, options,
                                             [this](io::Exchange& exchange) { return handle(exchange); });
  return server_->listen({.path = socket, .host = {}});
}

io::Task<> Api::stop(base::Deadline deadline) {
  if (server_) co_await server_->drain(deadline);
}

io::Task<> Api::handle(io::Exchange& exchange) {
  const auto peer = exchange.peer();
  auto done = Result<void>{};
  if (peer && peer->uid != 0 && peer->uid != ::geteuid()) {
    done = Error(ErrorCode::permission,
                 fmt::format("user {} may not control the Slipway of user {}", peer->uid, ::geteuid()));
  } else {
    done = co_await route(exchange);
  }
  if (done || exchange.responded()) co_return;
  (void)co_await answer_error(exchange, done.error());  // a caller that left needs no answer
}

io::Task<Result<void>> Api::route(io::Exchange& exchange) {
  const codec::HttpHead& head = exchange.head();
  const std::string_view path = head.path();
  if (!path.starts_with(kPrefix)) co_return no_such_call(head);
  const std::string_view call = path.substr(kPrefix.size());
  const std::size_t slash = std::min(call.find('/'), call.size());
  const std::string_view name = call.substr(0, slash);
  const std::string id = decode_segment(call.substr(std::min(call.size(), slash + 1)));
  const bool get = head.method == "GET", post = head.method == "POST", remove = head.method == "DELETE";

  if (!id.empty()) {
    if (remove && name == "models") co_return co_await undeploy(exchange, id);
    if (remove && name == "keys") co_return co_await revoke_key(exchange, id);
    co_return no_such_call(head);
  }
  if (get && name == "status") co_return co_await answer(exchange, status());
  if (get && name == "progress") co_return co_await follow_all(exchange);
  if (get && name == "models") co_return co_await answer(exchange, {{"models", models()}});
  if (post && name == "models") co_return co_await deploy(exchange);
  if (get && name == "catalog") co_return co_await show_catalog(exchange);
  if (get && name == "logs") co_return co_await show_logs(exchange);
  if (get && name == "top") co_return co_await answer(exchange, parts_.top.json(base::wall_now()));
  if (post && name == "keys") co_return co_await create_key(exchange);
  if (get && name == "keys") co_return co_await list_keys(exchange);
  if (post && name == "shutdown") co_return co_await shut_down(exchange);
  co_return no_such_call(head);
}

json Api::model(const std::string& id, const Deployment& deployment) const {
  return model_json(id, deployment, parts_.supervisor, parts_.facts.gateway_url, parts_.loop.now());
}

json Api::models() const {
  json out = json::array();
  for (const auto& [id, deployment] : parts_.target.deployments()) out.push_back(model(id, *deployment));
  return out;
}

json Api::status() const {
  return status_json(parts_.facts, models().get<std::vector<json>>(), parts_.loop.now());
}

io::Task<Result<void>> Api::deploy(io::Exchange& exchange) {
  auto body = co_await read_object(exchange, {"values", "source", "name", "replicas", "dry_run"});
  if (!body) co_return std::move(body).error();
  Asked asked;
  SLIPWAY_CO_TRY(asked.values, text_member(*body, "values"));
  SLIPWAY_CO_TRY(asked.name, text_member(*body, "name"));
  SLIPWAY_CO_TRY(asked.source, text_member(*body, "source"));
  if (asked.values.empty() == asked.name.empty())
    co_return Error(ErrorCode::bad_request, "a deploy names either 'values' or 'name'");
  if (asked.source.empty()) asked.source = asked.values.empty() ? "catalogue" : "values";
  if (body->contains("replicas")) {
    SLIPWAY_CO_TRY(const auto replicas, number_member(*body, "replicas", 1, 1, domain::kMaxReplicas));
    asked.replicas = static_cast<int>(replicas);
  }
  const bool dry_run = body->contains("dry_run") && (*body)["dry_run"] == true;
  const OperationPtr operation =
      dry_run ? parts_.target.rehearse(asked) : parts_.target.deploy(asked, caller(exchange));
  // A deploy that is refused at once is a plain error with its status.
  if (operation->over() && operation->error()) co_return *operation->error();
  co_return co_await answer_operation(exchange, operation);
}

io::Task<Result<void>> Api::undeploy(io::Exchange& exchange, const std::string& id) {
  SLIPWAY_CO_TRY(
      const auto drain,
      query_number(exchange.head().target, "drain_s",
                   std::chrono::duration_cast<std::chrono::seconds>(parts_.drain).count(), 0, 86'400));
  const OperationPtr operation = parts_.target.undeploy(id, std::chrono::seconds(drain), caller(exchange));
  if (operation->over() && operation->error()) co_return *operation->error();
  co_return co_await answer_operation(exchange, operation);
}

io::Task<Result<void>> Api::shut_down(io::Exchange& exchange) {
  auto body = co_await read_object(exchange, {"drain_s"});
  if (!body) co_return std::move(body).error();
  SLIPWAY_CO_TRY(
      const auto drain,
      number_member(*body, "drain_s", std::chrono::duration_cast<std::chrono::seconds>(parts_.drain).count(),
                    0, 86'400));
  co_return co_await answer_operation(exchange,
                                      parts_.shutdown(std::chrono::seconds(drain), caller(exchange)));
}

io::Task<Result<void>> Api::follow_all(io::Exchange& exchange) {
  SLIPWAY_CO_RETURN_IF_ERROR(
      exchange.start_stream(200, {{"content-type", "text/event-stream"}, {"cache-control", "no-store"}}));
  std::set<OperationPtr> seen;
  for (;;) {
    // Operations that begin while another is followed are followed after it; their latest words are kept for
    // us.
    OperationPtr next;
    for (const OperationPtr& operation : parts_.target.operations())
      if (!seen.contains(operation) && next == nullptr) next = operation;
    if (next == nullptr) break;
    seen.insert(next);
    for (std::uint64_t number = 0;;) {
      const auto event = co_await Operation::next(next, number);
      if (!event) break;
      std::string text = server_sent_event(event->name, event->data);
      if (event->name == "result") continue;
      if (event->name == "error")
        text = server_sent_event(
            "note", json{{"message", fmt::format("{} failed: {}", next->subject(), next->error()->message())}}
                        .dump());
      const auto written = co_await exchange.write(text);
      if (!written) co_return Result<void>{};
    }
  }
  auto written = co_await exchange.write(
      server_sent_event("result", status().dump(-1, ' ', false, json::error_handler_t::replace)));
  if (!written) co_return Result<void>{};
  co_return co_await exchange.finish();
}

}  // namespace slipway::control
