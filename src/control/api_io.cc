#include "control/api_io.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace slipway::control {

using base::Error, base::ErrorCode, base::Result;
using nlohmann::json;

namespace {

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const bool escape =
        text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3;
    out += escape ? static_cast<char>(value) : text[i];
    if (escape) i += 2;
  }
  return out;
}

Error wrong(const char* name, std::string_view wanted) {
  return Error(ErrorCode::bad_request, fmt::format("'{}' must be {}", name, wanted)).with_param(name);
}

}  // namespace

store::Actor caller(const io::Exchange& exchange) {
  const auto peer = exchange.peer();
  if (!peer) return {.via = "control"};
  return {.via = "control", .uid = peer->uid, .pid = peer->pid};
}

std::optional<std::string> query(std::string_view target, std::string_view name) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  for (std::string_view rest = target.substr(mark + 1); !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name)
      return percent_decoded(pair.substr(std::min(pair.size(), equals + 1)));
  }
  return std::nullopt;
}

std::string decode_segment(std::string_view text) {
  return percent_decoded(text);
}

Result<std::int64_t> query_number(std::string_view target, std::string_view name, std::int64_t fallback,
                                  std::int64_t least, std::int64_t most) {
  const auto text = query(target, name);
  if (!text) return fallback;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < least || value > most)
    return Error(ErrorCode::bad_request,
                 fmt::format("'{}' must be a whole number from {} to {}", name, least, most));
  return value;
}

io::Task<Result<json>> read_object(io::Exchange& exchange, std::initializer_list<std::string_view> members) {
  auto body = co_await exchange.body();
  if (!body) co_return std::move(body).error();
  if (body->empty()) co_return json::object();
  json parsed = json::parse(*body, nullptr, false);
  if (parsed.is_discarded()) co_return Error(ErrorCode::bad_json, "the body is not valid JSON");
  if (!parsed.is_object()) co_return Error(ErrorCode::bad_request, "the body is not a JSON object");
  for (const auto& [name, value] : parsed.items())
    if (std::ranges::find(members, name) == members.end())
      co_return Error(ErrorCode::bad_request, fmt::format("this call has no member '{}'", name))
          .with_param(name);
  co_return parsed;
}

Result<std::string> text_member(const json& body, const char* name) {
  if (!body.contains(name)) return std::string();
  if (!body[name].is_string()) return wrong(name, "text");
  return body[name].get<std::string>();
}

Result<std::int64_t> number_member(const json& body, const char* name, std::int64_t fallback,
                                   std::int64_t least, std::int64_t most) {
  if (!body.contains(name)) return fallback;
  const auto wanted = fmt::format("a whole number from {} to {}", least, most);
  if (!body[name].is_number_integer()) return wrong(name, wanted);
  const auto value = body[name].get<std::int64_t>();
  if (value < least || value > most) return wrong(name, wanted);
  return value;
}

Result<std::vector<std::string>> list_member(const json& body, const char* name) {
  std::vector<std::string> out;
  if (!body.contains(name)) return out;
  if (!body[name].is_array()) return wrong(name, "a list of texts");
  for (const json& item : body[name]) {
    if (!item.is_string()) return wrong(name, "a list of texts");
    out.push_back(item.get<std::string>());
  }
  return out;
}

io::Task<Result<void>> answer(io::Exchange& exchange, const json& body, int status) {
  const std::string text = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  co_return co_await exchange.respond(status, {{"content-type", "application/json"}}, text);
}

io::Task<Result<void>> answer_error(io::Exchange& exchange, const Error& error) {
  co_return co_await answer(exchange, {{"error", error_json(error)}}, base::info(error.code()).http_status);
}

std::string server_sent_event(std::string_view name, std::string_view data) {
  return fmt::format("event: {}\ndata: {}\n\n", name, data);
}

io::Task<Result<void>> answer_operation(io::Exchange& exchange, OperationPtr operation) {
  SLIPWAY_CO_RETURN_IF_ERROR(
      exchange.start_stream(200, {{"content-type", "text/event-stream"}, {"cache-control", "no-store"}}));
  for (std::uint64_t seen = 0;;) {
    const auto event = co_await Operation::next(operation, seen);
    if (!event) break;
    auto written = co_await exchange.write(server_sent_event(event->name, event->data));
    if (!written) co_return Result<void>{};  // the caller left; the operation goes on
  }
  co_return co_await exchange.finish();
}

}  // namespace slipway::control
