// Routes and the small answers; the long way of a completion is in service_generate.cc.
#include "worker/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "codec/error_body.h"
#include "codec/openai_request.h"
#include "io/offload.h"
#include "worker/prepare.h"

namespace slipway::worker {

using base::Error, base::ErrorCode, base::Result;
using nlohmann::json;

namespace {

constexpr std::string_view kJson = "application/json";

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(base::wall_now().time_since_epoch()).count();
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// An id that a caller may choose: printable, short.
bool good_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 &&
         std::ranges::all_of(id, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

Service::Service(io::Loop& loop, engine::Engine& engine, const engine::ChatFormat& format,
                 telemetry::Registry& registry, const codec::Strikes& strikes)
    : engine_(engine),
      format_(format),
      metrics_(registry, engine.plan(), engine.facts()),
      mailbox_(loop),
      system_fingerprint_(fmt::format("fp_{:016x}", codec::request_fingerprint(engine.facts().fingerprint))),
      alone_(strikes.alone.begin(), strikes.alone.end()),
      refused_(strikes.refuse.begin(), strikes.refuse.end()),
      context_tokens_(static_cast<std::size_t>(engine.facts().context_tokens)),
      loaded_at_(unix_seconds()) {
  for (auto& preparing : preparing_) {
    preparing = std::make_unique<io::Loop>("prepare");
    preparing->start();
  }
}

Service::~Service() = default;

io::Loop& Service::preparing_loop() {
  return *preparing_[next_preparing_++ % preparing_.size()];
}

Service::Context Service::context_of(const io::Exchange& exchange) {
  Context out;
  out.received = base::monotonic_now();
  const auto header = [&](std::string_view name) {
    return exchange.head().find(name).value_or(std::string_view());
  };
  out.request_id = header("x-request-id");
  if (!good_id(out.request_id)) out.request_id = base::make_request_id(base::wall_now()).str();
  out.cache_salt = header("x-slipway-cache-salt");
  const std::string_view timeout = header("x-slipway-timeout-ms");
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(timeout.data(), timeout.data() + timeout.size(), ms);
  constexpr std::int64_t kLongest = 24LL * 3600 * 1000;
  if (error == std::errc() && end == timeout.data() + timeout.size() && ms > 0)
    out.deadline = base::Deadline(out.received + std::chrono::milliseconds(std::min(ms, kLongest)));
  return out;
}

io::Task<> Service::handle(io::Exchange& exchange) {
  struct Row {
    std::string_view path, method;
    Route route;
  };
  static constexpr Row kRoutes[] = {
      {"/v1/chat/completions", "POST", &Service::chat},
      {"/v1/completions", "POST", &Service::completion},
      {"/v1/embeddings", "POST", &Service::embeddings},
      {"/tokenize", "POST", &Service::tokenize},
      {"/detokenize", "POST", &Service::detokenize},
      {"/v1/models", "GET", &Service::models},
      {"/health", "GET", &Service::health},
      {"/metrics", "GET", &Service::metrics},
      {"/internal/strikes", "POST", &Service::strikes},
  };
  Context context = context_of(exchange);
  const auto* row = std::ranges::find(kRoutes, exchange.head().path(), &Row::path);
  if (row == std::end(kRoutes)) {
    co_await fail(exchange, context,
                  Error(ErrorCode::not_found,
                        fmt::format("there is nothing at {}", exchange.head().path().substr(0, 200))));
  } else if (row->method != exchange.head().method) {
    co_await fail(exchange, context,
                  Error(ErrorCode::method_not_allowed, fmt::format("{} takes {}", row->path, row->method)));
  } else {
    co_await (this->*(row->route))(exchange, std::move(context));
  }
}

io::Task<> Service::fail(io::Exchange& exchange, const Context& context, Error error) {
  if (exchange.responded()) co_return;
  const std::string body = codec::openai_error(error, context.request_id);
  const int status = base::info(error.code()).http_status;
  std::string allow, wait;
  if (error.code() == ErrorCode::method_not_allowed) allow = exchange.head().method == "GET" ? "POST" : "GET";
  if (const auto t = error.retry_after()) wait = codec::retry_after_seconds(*t);
  // A failed write means that nobody is there to be told.
  if (!allow.empty())
    static_cast<void>(co_await exchange.respond(
        status, {{"content-type", kJson}, {"x-request-id", context.request_id}, {"allow", allow}}, body));
  else if (!wait.empty())
    static_cast<void>(co_await exchange.respond(
        status, {{"content-type", kJson}, {"x-request-id", context.request_id}, {"retry-after", wait}},
        body));
  else
    static_cast<void>(co_await exchange.respond(
        status, {{"content-type", kJson}, {"x-request-id", context.request_id}}, body));
}

template <class F>
io::Task<> Service::respond_with(io::Exchange& exchange, Context context, F work) {
  auto body = co_await exchange.body();
  if (!body) {
    co_await fail(exchange, context, std::move(body).error());
    co_return;
  }
  Result<std::string> answer = co_await io::run_on(
      preparing_loop(),
      [this, work, text = std::string(*body)]() -> Result<std::string> { return work(*this, text); });
  if (!answer) {
    metrics_.refused(answer.error());
    co_await fail(exchange, context, std::move(answer).error());
    co_return;
  }
  static_cast<void>(co_await exchange.respond(
      200, {{"content-type", kJson}, {"x-request-id", context.request_id}}, *answer));
}

io::Task<> Service::embeddings(io::Exchange& exchange, Context context) {
  return respond_with(
      exchange, std::move(context), [](Service& self, const std::string& body) -> Result<std::string> {
        SLIPWAY_TRY(const EmbeddingInputs prepared, prepare_embeddings(self.engine_.vocabulary(), body));
        SLIPWAY_TRY(const auto vectors, self.engine_.embed(prepared.inputs));
        std::int64_t tokens = 0;
        for (const auto& input : prepared.inputs) tokens += static_cast<std::int64_t>(input.size());
        return codec::embeddings_answer(self.engine_.plan().model_id, vectors, prepared.base64, tokens);
      });
}

io::Task<> Service::tokenize(io::Exchange& exchange, Context context) {
  return respond_with(
      exchange, std::move(context), [](Service& self, const std::string& body) -> Result<std::string> {
        SLIPWAY_TRY(const json object, parse_body(body));
        std::string text;
        bool special = true;
        if (object.contains("messages")) {  // vLLM's chat form
          SLIPWAY_TRY(const engine::RenderedChat rendered, self.format_.render(body));
          text = rendered.prompt;
        } else {
          const char* name = object.contains("prompt") ? "prompt" : "content";
          if (!object.contains(name)) return bad_field("prompt", "is missing");
          SLIPWAY_TRY(text, read_string(object, name));
          SLIPWAY_TRY(special, read_bool(object, "parse_special", false));
        }
        const char* add = object.contains("add_special") ? "add_special" : "add_special_tokens";
        SLIPWAY_TRY(const bool add_special, read_bool(object, add, true));
        const auto tokens = self.engine_.vocabulary().tokenize(text, add_special, special);
        return dump({{"count", tokens.size()}, {"max_model_len", self.context_tokens_}, {"tokens", tokens}});
      });
}

io::Task<> Service::detokenize(io::Exchange& exchange, Context context) {
  return respond_with(
      exchange, std::move(context), [](Service& self, const std::string& body) -> Result<std::string> {
        SLIPWAY_TRY(const json object, parse_body(body));
        if (!object.contains("tokens") || !object["tokens"].is_array())
          return bad_field("tokens", "must be a list of token ids");
        std::string text;
        for (const json& token : object["tokens"]) {
          if (!token.is_number_integer() || token < 0 || token >= self.engine_.vocabulary().size())
            return bad_field("tokens", "has an entry that is no token id of this model");
          text += self.engine_.vocabulary().piece(token.get<engine::Token>(), true);
        }
        return dump({{"prompt", text}, {"content", text}});
      });
}

io::Task<> Service::models(io::Exchange& exchange, Context context) {
  const json body = {{"object", "list"},
                     {"data",
                      {{{"id", engine_.plan().model_id},
                        {"object", "model"},
                        {"created", loaded_at_},
                        {"owned_by", "slipway"},
                        {"max_model_len", context_tokens_}}}}};
  static_cast<void>(co_await exchange.respond(
      200, {{"content-type", kJson}, {"x-request-id", context.request_id}}, dump(body)));
}

io::Task<> Service::health(io::Exchange& exchange, Context context) {
  const engine::Stats stats = engine_.stats();
  if (draining_) {
    co_await fail(exchange, context, Error(ErrorCode::draining, "the replica is shutting down"));
    co_return;
  }
  const json body = {{"status", "ok"},
                     {"running", stats.running},
                     {"waiting", stats.waiting},
                     {"kv_used", stats.kv_used},
                     {"kv_total", stats.kv_total}};
  static_cast<void>(co_await exchange.respond(200, {{"content-type", kJson}}, dump(body)));
}

io::Task<> Service::metrics(io::Exchange& exchange, Context) {
  const std::string text = metrics_.scrape(engine_.stats());
  static_cast<void>(co_await exchange.respond(200, {{"content-type", "text/plain; version=0.0.4"}}, text));
}

io::Task<> Service::strikes(io::Exchange& exchange, Context context) {
  auto body = co_await exchange.body();
  if (!body) {
    co_await fail(exchange, context, std::move(body).error());
    co_return;
  }
  auto decoded = codec::decode_strikes(*body);
  if (!decoded) {
    co_await fail(exchange, context, std::move(decoded).error());
    co_return;
  }
  alone_ = {decoded->alone.begin(), decoded->alone.end()};
  refused_ = {decoded->refuse.begin(), decoded->refuse.end()};
  static_cast<void>(co_await exchange.respond(200, {{"content-type", kJson}}, "{}"));
}

}  // namespace slipway::worker
