#include "gateway/observe.h"

#include <cmath>

#include "telemetry/log.h"

namespace slipway::gateway {
namespace {

using telemetry::Metric;

// Milliseconds with three decimals.
double milliseconds(base::Duration d) {
  return std::round(base::seconds(d) * 1e6) / 1e3;
}

std::string_view operation(Path path) {
  switch (path) {
    case Path::chat:
      return "chat";
    case Path::completions:
      return "text_completion";
    case Path::embeddings:
      return "embeddings";
    default:
      return name(path);
  }
}

}  // namespace

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::refused:
      return "refused";
    case Outcome::failed:
      return "failed";
    case Outcome::cancelled:
      return "cancelled";
  }
  return "failed";
}

Observer::Observer(telemetry::Registry& registry, std::function<void(std::string_view)> log_sink)
    : overhead(registry.histogram(Metric::gateway_overhead)),
      route_seconds(registry.histogram(Metric::route_seconds)),
      comments(registry.counter(Metric::keepalive_comments)),
      streams(registry.gauge(Metric::streams)),
      connections(registry.gauge(Metric::connections)),
      refused_connections(registry.counter(Metric::connections_refused)),
      bad_requests(registry.counter(Metric::bad_requests)),
      registry_(registry),
      log_sink_(std::move(log_sink)) {
  for (const std::string_view limit : {"requests_per_minute", "tokens_per_minute", "concurrent"})
    registry_.counter(Metric::limited, {limit});
}

ModelSeries& Observer::series(std::string_view model) {
  auto it = models_.find(std::string(model));
  if (it == models_.end()) {
    auto s = std::make_unique<ModelSeries>();
    s->first_token = &registry_.histogram(Metric::time_to_first_token, {model});
    s->per_token = &registry_.histogram(Metric::time_per_output_token, {model});
    s->inter_token = &registry_.histogram(Metric::inter_token_latency, {model});
    s->input = &registry_.histogram(Metric::request_input_tokens, {model});
    s->output = &registry_.histogram(Metric::request_output_tokens, {model});
    s->tokens_in = &registry_.counter(Metric::tokens, {model, "input"});
    s->tokens_out = &registry_.counter(Metric::tokens, {model, "output"});
    s->prefix_queried = &registry_.counter(Metric::prefix_queried, {model});
    s->prefix_hit = &registry_.counter(Metric::prefix_hit, {model});
    s->ok = &registry_.counter(Metric::requests, {model, "ok", ""});
    s->events = &registry_.counter(Metric::stream_events, {model});
    it = models_.emplace(model, std::move(s)).first;
  }
  return *it->second;
}

void Observer::retried(std::string_view model) {
  registry_.counter(Metric::retries, {model}).add();
}

void Observer::upstream_failed(std::string_view model, base::ErrorCode code) {
  registry_.counter(Metric::upstream_errors, {model, base::code_name(code)}).add();
}

void Observer::limited(std::string_view limit) {
  registry_.counter(Metric::limited, {limit}).add();
}

void Observer::count(const RequestFacts& f) {
  if (f.status != 0) {
    const auto key = static_cast<std::uint32_t>(f.path) * 1000 + static_cast<std::uint32_t>(f.status);
    telemetry::Counter*& counter = http_[key];
    if (!counter)
      counter = &registry_.counter(Metric::http_requests, {name(f.path), std::to_string(f.status)});
    counter->add();
  }
  if (!is_relayed(f.path)) return;
  if (f.outcome != Outcome::ok) {
    const std::string code = f.code ? base::code_name(*f.code) : std::string();
    registry_.counter(Metric::requests, {f.model, name(f.outcome), code}).add();
    if (f.outcome == Outcome::cancelled) registry_.counter(Metric::client_gone, {f.model}).add();
  }
  if (f.model.empty()) return;
  ModelSeries& s = series(f.model);
  if (f.events) s.events->add(f.events);
  if (f.usage) {
    s.tokens_in->add(f.usage->prompt_tokens);
    s.tokens_out->add(f.usage->completion_tokens);
    s.prefix_queried->add(f.usage->prompt_tokens);
    s.prefix_hit->add(f.usage->cached_tokens);
  }
  if (f.outcome != Outcome::ok) return;
  s.ok->add();
  telemetry::Histogram*& duration = s.duration[static_cast<std::size_t>(f.path)];
  if (!duration) duration = &registry_.histogram(Metric::request_duration, {f.model, operation(f.path)});
  duration->observe(base::seconds(f.duration));
  if (f.first_token) s.first_token->observe(base::seconds(*f.first_token));
  if (f.per_token) s.per_token->observe(base::seconds(*f.per_token));
  if (!f.usage) return;
  s.input->observe(static_cast<double>(f.usage->prompt_tokens));
  s.output->observe(static_cast<double>(f.usage->completion_tokens));
}

void Observer::write_line(const RequestFacts& f) {
  const bool probe = f.path == Path::health || f.path == Path::ready || f.path == Path::metrics;
  if (probe && f.status < 400) return;
  const telemetry::Level level =
      f.outcome == Outcome::failed ? telemetry::Level::warn : telemetry::Level::info;
  const std::string code = f.code ? base::code_name(*f.code) : std::string();
  const codec::Usage usage = f.usage.value_or(codec::Usage());
  const auto integer = [](auto n) { return static_cast<std::int64_t>(n); };
  telemetry::append_record(lines_, base::wall_now(), level, "request", "",
                           {{"request_id", f.request_id},
                            {"trace_id", f.trace_id},
                            {"key_id", f.key_id},
                            {"route", name(f.path)},
                            {"model", f.model},
                            {"replica", f.replica},
                            {"status", integer(f.status)},
                            {"outcome", name(f.outcome)},
                            {"code", std::string_view(code)},
                            {"attempts", integer(f.attempts)},
                            {"stream", f.stream},
                            {"duration_ms", milliseconds(f.duration)},
                            {"ttft_ms", f.first_token ? milliseconds(*f.first_token) : std::nan("")},
                            {"tokens_in", integer(usage.prompt_tokens)},
                            {"tokens_out", integer(usage.completion_tokens)},
                            {"tokens_cached", integer(usage.cached_tokens)},
                            {"bytes_in", integer(f.bytes_in)},
                            {"bytes_out", integer(f.bytes_out)}});
  if (lines_.size() >= kFlushBytes) flush();
}

void Observer::finished(const RequestFacts& facts) {
  count(facts);
  if (log_sink_) write_line(facts);
}

void Observer::flush() {
  if (lines_.empty()) return;
  if (log_sink_) log_sink_(lines_);
  lines_.clear();
}

}  // namespace slipway::gateway
