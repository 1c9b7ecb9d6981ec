#include "control/top.h"

#include "control/views.h"
#include "io/proc.h"

namespace slipway::control {

using telemetry::Metric;

Sample Top::take(const std::string& id, const Deployment& deployment, base::MonotonicTime now) const {
  Sample s;
  s.at = now;
  s.requests = metrics_.counter(Metric::requests, {id, "ok", ""}).value();
  s.prompt_tokens = metrics_.counter(Metric::tokens, {id, "input"}).value();
  s.output_tokens = metrics_.counter(Metric::tokens, {id, "output"}).value();
  s.prefix_queried = metrics_.counter(Metric::prefix_queried, {id}).value();
  s.prefix_hit = metrics_.counter(Metric::prefix_hit, {id}).value();
  s.ttft = metrics_.histogram(Metric::time_to_first_token, {id}).counts();
  for (const DeployedReplica& deployed : deployment.replicas)
    if (const supervisor::Replica* const r = supervisor_.find(deployed.id); r != nullptr && r->pid() != 0)
      if (const auto use = io::process_use(r->pid())) s.cpu_seconds += use->cpu_seconds;
  return s;
}

void Top::sample(base::MonotonicTime now) {
  const auto deployments = target_.deployments();
  std::erase_if(windows_, [this](const auto& window) { return target_.find(window.first) == nullptr; });
  for (const auto& [id, deployment] : deployments) windows_[id].add(take(id, *deployment, now));
}

nlohmann::json Top::json(base::WallTime now) const {
  nlohmann::json models = nlohmann::json::array();
  double requests = 0, tokens = 0;
  for (const auto& [id, deployment] : target_.deployments()) {
    const auto window = windows_.find(id);
    const auto bounds = metrics_.histogram(Metric::time_to_first_token, {id}).bounds();
    const Rates rates = window == windows_.end() ? Rates{} : window->second.rates(bounds);
    requests += rates.requests_per_s;
    tokens += rates.output_tokens_per_s;
    models.push_back(top_model_json(id, rates, *deployment, supervisor_));
  }
  return {{"at", base::to_rfc3339(now)},
          {"requests_per_s", requests},
          {"tokens_per_s", tokens},
          {"models", models}};
}

}  // namespace slipway::control
