// Keys, catalogue and logs of the control API.
#include <fmt/format.h>

#include <algorithm>

#include "control/api.h"
#include "control/api_io.h"
#include "io/offload.h"
#include "telemetry/log.h"

namespace slipway::control {

using base::Error, base::Result;
using nlohmann::json;

io::Task<Result<void>> Api::create_key(io::Exchange& exchange) {
  auto body = co_await read_object(exchange, {"name", "models", "scopes", "requests_per_minute",
                                              "tokens_per_minute", "concurrent", "expires_in_s"});
  if (!body) co_return std::move(body).error();
  constexpr std::int64_t kMost = 0xffffffff;
  const base::WallTime now = base::wall_now();
  store::NewKey wanted;
  SLIPWAY_CO_TRY(wanted.name, text_member(*body, "name"));
  SLIPWAY_CO_TRY(wanted.models, list_member(*body, "models"));
  if (body->contains("scopes")) {
    SLIPWAY_CO_TRY(wanted.scopes, list_member(*body, "scopes"));
  }
  SLIPWAY_CO_TRY(const auto requests, number_member(*body, "requests_per_minute", 0, 0, kMost));
  SLIPWAY_CO_TRY(const auto tokens, number_member(*body, "tokens_per_minute", 0, 0, kMost));
  SLIPWAY_CO_TRY(const auto concurrent, number_member(*body, "concurrent", 0, 0, kMost));
  SLIPWAY_CO_TRY(const auto expires, number_member(*body, "expires_in_s", 0, 0, 100LL * 366 * 86'400));
  wanted.limits = {static_cast<std::uint32_t>(requests), static_cast<std::uint32_t>(tokens),
                   static_cast<std::uint32_t>(concurrent)};
  if (expires > 0) wanted.expires = now + std::chrono::seconds(expires);
  SLIPWAY_CO_TRY(const store::CreatedKey created, parts_.keys.create(wanted, now, caller(exchange)));
  SLIPWAY_CO_RETURN_IF_ERROR(parts_.publish_keys());
  telemetry::log(telemetry::Level::info, "key_created", created.key.name, {{"key_id", created.key.id.str()}});
  json out = key_json(created.key);
  out["key"] = created.text;
  co_return co_await answer(exchange, out);
}

io::Task<Result<void>> Api::list_keys(io::Exchange& exchange) {
  SLIPWAY_CO_TRY(const auto keys, parts_.keys.list());
  json out = json::array();
  for (const domain::Key& key : keys) out.push_back(key_json(key));
  co_return co_await answer(exchange, {{"keys", out}});
}

io::Task<Result<void>> Api::revoke_key(io::Exchange& exchange, const std::string& id) {
  SLIPWAY_CO_TRY(const domain::Key revoked, parts_.keys.revoke(id, base::wall_now(), caller(exchange)));
  SLIPWAY_CO_RETURN_IF_ERROR(parts_.publish_keys());
  telemetry::log(telemetry::Level::info, "key_revoked", revoked.name, {{"key_id", revoked.id.str()}});
  co_return co_await answer(exchange, {{"revoked", revoked.id.str()}});
}

namespace {

json catalog_entry(const domain::CatalogEntry& entry, const Ground& ground, const store::ModelStore& models) {
  json out = {{"name", entry.name},
              {"model", entry.model},
              {"aliases", entry.aliases},
              {"license", entry.license},
              {"license_url", entry.license_url},
              {"task", codec::to_string(entry.task)},
              {"parameters", entry.parameters},
              {"context_tokens", entry.context_tokens},
              {"description", entry.description}};
  json files = json::array();
  for (const domain::ModelFile& file : entry.files)
    files.push_back({{"name", file.name}, {"quantization", file.quantization}, {"bytes", file.bytes}});
  out["files"] = files;
  Asked asked{.values = {}, .source = "catalogue", .name = entry.name, .replicas = {}};
  codec::Catalog one{{entry}};
  auto resolved = resolve(asked, one, ground.hardware, ground.gpus);
  Result<void> fits = resolved ? check_before_download(*resolved, ground) : Result<void>(resolved.error());
  out["fits"] = fits.has_value();
  out["reason"] = fits ? (resolved->notes.empty() ? "" : resolved->notes.front()) : fits.error().message();
  out["file"] = resolved ? resolved->file.name : "";
  out["downloaded"] = resolved && models.find(resolved->file).has_value();
  return out;
}

}  // namespace

io::Task<Result<void>> Api::show_catalog(io::Exchange& exchange) {
  const Ground ground = parts_.target.ground();
  json out = json::array();
  for (const domain::CatalogEntry& entry : parts_.catalog.models)
    out.push_back(catalog_entry(entry, ground, parts_.models));
  co_return co_await answer(exchange, {{"models", out}});
}

io::Task<Result<void>> Api::show_logs(io::Exchange& exchange) {
  constexpr std::int64_t kMostLines = 100'000;
  const std::string_view target = exchange.head().target;
  store::LogFilter filter{.model = query(target, "model").value_or(""),
                          .replica = query(target, "replica").value_or(""),
                          .event = query(target, "event").value_or(""),
                          .least_level = query(target, "level").value_or("")};
  SLIPWAY_CO_TRY(const auto tail, query_number(target, "tail", 100, 0, kMostLines));
  if (query(target, "follow").value_or("0") == "1")
    co_return co_await follow_logs(exchange, std::move(filter), static_cast<std::size_t>(tail));
  io::Loop thread("logs");  // reading and filtering may take a while
  thread.start();
  auto lines = co_await io::run_on(thread, [logs = parts_.logs, flush = parts_.flush_logs, filter, tail] {
    flush();
    return store::tail_logs(logs, filter, static_cast<std::size_t>(tail));
  });
  if (!lines) co_return std::move(lines).error();
  std::string text;
  for (const std::string& line : *lines) text += line + "\n";
  co_return co_await exchange.respond(200, {{"content-type", "application/x-ndjson"}}, text);
}

io::Task<Result<void>> Api::follow_logs(io::Exchange& exchange, store::LogFilter filter, std::size_t tail) {
  constexpr base::Duration kLook = std::chrono::milliseconds(200);
  auto opened = store::LogFollower::open(parts_.logs, std::move(filter), tail);
  if (!opened) co_return std::move(opened).error();
  SLIPWAY_CO_RETURN_IF_ERROR(exchange.start_stream(200, {{"content-type", "application/x-ndjson"}}));
  exchange.on_client_gone([] {});  // makes client_gone() true while nothing is written
  while (!exchange.client_gone()) {
    const auto lines = opened->poll();
    if (!lines) break;
    std::string text;
    for (const std::string& line : *lines) text += line + "\n";
    if (!text.empty()) {
      const auto written = co_await exchange.write(text);
      if (!written) co_return Result<void>{};
    }
    co_await io::sleep_for(kLook);
  }
  co_return co_await exchange.finish();
}

}  // namespace slipway::control
