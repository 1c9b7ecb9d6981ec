#include "worker/worker_metrics.h"

#include <unistd.h>

#include <filesystem>

#include "codec/worker_protocol.h"
#include "io/proc.h"

namespace slipway::worker {

using telemetry::Metric;

void watch_steps(telemetry::Registry& registry, const std::string& model, engine::LoadHooks& hooks) {
  telemetry::Histogram& tokens = registry.histogram(Metric::step_tokens, {model});
  telemetry::Histogram& sequences = registry.histogram(Metric::batch_occupancy, {model});
  telemetry::Histogram& seconds = registry.histogram(Metric::step_seconds, {model});
  telemetry::Histogram& gap = registry.histogram(Metric::inter_token_latency, {model});
  hooks.step = [&](const engine::StepFacts& step) {
    tokens.observe(step.tokens);
    sequences.observe(step.sequences);
    seconds.observe(step.seconds);
  };
  hooks.token_gap = [&](double s) { gap.observe(s); };
}

WorkerMetrics::WorkerMetrics(telemetry::Registry& registry, const domain::LoadPlan& plan,
                             const domain::ReplicaFacts& facts)
    : registry_(registry), model_(plan.model_id) {
  const std::string file = std::filesystem::path(plan.path).filename().string();
  registry_.gauge(Metric::model_info, {model_, file, "", codec::to_string(facts.layout), facts.device})
      .set(1);
  registry_.gauge(Metric::model_load, {model_}).set(facts.load_seconds);
  registry_.gauge(Metric::build_info, {SLIPWAY_VERSION, "worker"}).set(1);
  for (const char* reason : {"stop", "length", "abort", "error"})
    registry_.counter(Metric::requests_finished, {model_, reason});
  for (const char* type : {"input", "output"}) registry_.counter(Metric::tokens, {model_, type});
  for (const Metric metric : {Metric::prefix_queried, Metric::prefix_hit, Metric::preemptions})
    registry_.counter(metric, {model_});
}

void WorkerMetrics::finished(const Answer& answer, std::string_view operation, base::MonotonicTime received,
                             base::MonotonicTime now) {
  const auto& error = answer.error();
  const bool gone = error && error->kind() == base::ErrorKind::cancelled;
  const std::string code = error ? base::code_name(error->code()) : "";
  registry_.counter(Metric::requests, {model_, !error ? "ok" : gone ? "cancelled" : "failed", code}).add();
  const codec::AnswerUsage usage = answer.usage();
  registry_.counter(Metric::tokens, {model_, "input"}).add(static_cast<std::uint64_t>(usage.prompt_tokens));
  registry_.counter(Metric::tokens, {model_, "output"})
      .add(static_cast<std::uint64_t>(usage.completion_tokens));
  registry_.counter(Metric::prefix_queried, {model_}).add(static_cast<std::uint64_t>(usage.prompt_tokens));
  registry_.counter(Metric::prefix_hit, {model_}).add(static_cast<std::uint64_t>(usage.cached_tokens));
  for (std::size_t i = 0; i < answer.choice_count(); ++i)
    registry_
        .counter(Metric::requests_finished, {model_, !error ? answer.finish_reason(i)
                                                     : gone ? "abort"
                                                            : "error"})
        .add();
  if (error) return;
  registry_.histogram(Metric::request_input_tokens, {model_})
      .observe(static_cast<double>(usage.prompt_tokens));
  registry_.histogram(Metric::request_output_tokens, {model_})
      .observe(static_cast<double>(usage.completion_tokens));
  if (const int wanted = answer.context().prepared.params.max_tokens; wanted > 0)
    registry_.histogram(Metric::request_max_tokens, {model_}).observe(wanted);
  latencies(answer, operation, received, now);
}

void WorkerMetrics::latencies(const Answer& answer, std::string_view operation, base::MonotonicTime received,
                              base::MonotonicTime now) {
  registry_.histogram(Metric::request_duration, {model_, operation}).observe(base::seconds(now - received));
  const engine::Usage& timing = answer.timing();
  const std::pair<std::string_view, double> phases[] = {
      {"queue", timing.queue_seconds},
      {"prefill", timing.prefill_seconds},
      {"decode", timing.decode_seconds},
      {"inference", timing.prefill_seconds + timing.decode_seconds}};
  for (const auto& [phase, seconds] : phases)
    registry_.histogram(Metric::request_phase, {model_, phase}).observe(seconds);
  if (const auto first = answer.first_token()) {
    registry_.histogram(Metric::time_to_first_token, {model_}).observe(base::seconds(*first - received));
    if (timing.completion_tokens > 1)
      registry_.histogram(Metric::time_per_output_token, {model_})
          .observe(base::seconds(now - *first) / (timing.completion_tokens - 1));
  }
}

void WorkerMetrics::refused(const base::Error& error) {
  registry_.counter(Metric::requests, {model_, "refused", base::code_name(error.code())}).add();
  if (error.code() == base::ErrorCode::queue_full || error.code() == base::ErrorCode::draining)
    registry_.counter(Metric::admission_rejections, {model_, base::info(error.code()).symbol}).add();
}

std::string WorkerMetrics::scrape(const engine::Stats& stats) {
  registry_.gauge(Metric::requests_running, {model_}).set(stats.running);
  registry_.gauge(Metric::requests_waiting, {model_}).set(stats.waiting);
  if (stats.kv_total > 0)
    registry_.gauge(Metric::kv_usage, {model_})
        .set(static_cast<double>(stats.kv_used) / static_cast<double>(stats.kv_total));
  registry_.counter(Metric::preemptions, {model_})
      .add(stats.preemptions - std::exchange(preemptions_, stats.preemptions));
  if (const auto use = io::process_use(::getpid()))
    registry_.gauge(Metric::process_resident).set(static_cast<double>(use->resident_bytes));
  return registry_.render(true);
}

}  // namespace slipway::worker
