#include "environment/model_metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/quantity.h"
#include "io/http.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
using codec::field, codec::list, codec::text;

constexpr const char* kOurs = "app.kubernetes.io/part-of=slipway";
constexpr auto kAskTime = std::chrono::seconds(4);
constexpr std::size_t kMaxWays = 16;
const kube::Resource kPods{"", "v1", "pods"};
const kube::Resource kUse{"metrics.k8s.io", "v1beta1", "pods"};

struct Use {
  double processors = 0, memory_bytes = 0;
};

// By pod; empty where the cluster has no metrics server, or it may not be asked.
std::map<std::string, Use> use_of(const Json& items) {
  std::map<std::string, Use> out;
  for (const Json& pod : items) {
    Use& use = out[text(field(pod, "metadata"), "name")];
    for (const Json& container : list(pod, "containers")) {
      const Json& usage = field(container, "usage");
      use.processors += static_cast<double>(codec::quantity_milli(text(usage, "cpu")).value_or(0)) / 1000;
      use.memory_bytes += static_cast<double>(codec::quantity(text(usage, "memory")).value_or(0));
    }
  }
  return out;
}

}  // namespace

Result<std::string> ModelMetrics::by_forward(const std::string& replica, const kube::MetricsPlace& where) {
  auto way = ways_.find(replica);
  if (way == ways_.end()) {
    if (ways_.size() >= kMaxWays)
      return Error(ErrorCode::io_failed, fmt::format("{} replicas have a port-forward already", kMaxWays));
    SLIPWAY_TRY(kube::PortForward opened,
                kube::PortForward::open(place_.kubeconfig, place_.context, place_.name_space,
                                        "pod/" + replica, where.port));
    way = ways_.emplace(replica, std::move(opened)).first;
  }
  io::HttpRequest call;
  call.target = where.path;
  auto answer = io::http_call(way->second.local(), call, base::Deadline::after(kAskTime));
  if (!answer) {
    ways_.erase(way);  // the next look opens another
    return std::move(answer).error();
  }
  if (answer->status != 200)
    return Error(ErrorCode::io_failed, fmt::format("{} answered {}", where.path, answer->status));
  return std::move(answer->body);
}

void ModelMetrics::ask(const Json& pod, ReplicaMetrics& out) {
  const kube::MetricsPlace where = kube::metrics_of(pod);
  std::string proxied;  // why not
  if (!not_proxied_.contains(out.replica)) {
    const auto answer = api_.text_once(
        fmt::format("{}:{}/proxy{}", kPods.path(place_.name_space, out.replica), where.port, where.path),
        kAskTime);
    if (answer) {
      out.counters = codec::read_serving_metrics(*answer);
      return;
    }
    proxied = answer.error().detail().empty() ? answer.error().message() : answer.error().detail();
  }
  const auto answer = by_forward(out.replica, where);
  if (answer) {
    not_proxied_.insert(out.replica);
    out.counters = codec::read_serving_metrics(*answer);
    return;
  }
  out.why_not =
      fmt::format("{}{}{}", proxied, proxied.empty() ? "" : "; port-forward: ",
                  answer.error().detail().empty() ? answer.error().message() : answer.error().detail());
}

Result<MetricsLook> ModelMetrics::look() {
  SLIPWAY_TRY(const Json pods, api_.list(kPods.path(place_.name_space), kOurs));
  const auto measured = api_.list(kUse.path(place_.name_space), kOurs);
  const auto uses = measured ? use_of(measured->at("items")) : std::map<std::string, Use>();
  MetricsLook out{.at = base::monotonic_now(), .models = {}, .replicas = {}};
  for (const Json& pod : pods.at("items")) {
    SLIPWAY_RETURN_IF_ERROR(patience_.check());
    const Json& meta = field(pod, "metadata");
    ReplicaMetrics one{.model = text(field(meta, "labels"), kube::kModelLabel),
                       .replica = text(meta, "name")};
    if (one.model.empty()) continue;
    if (std::ranges::find(out.models, one.model) == out.models.end()) out.models.push_back(one.model);
    if (const auto use = uses.find(one.replica); use != uses.end()) {
      one.processors = use->second.processors;
      one.memory_bytes = use->second.memory_bytes;
    }
    if (text(kube::replica_of(pod), "state") == "ready") ask(pod, one);
    out.replicas.push_back(std::move(one));
  }
  std::ranges::sort(out.models);
  return out;
}

}  // namespace slipway::environment
