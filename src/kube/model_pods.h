// What the pods of models say about them: the states that `status` shows. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "codec/json_view.h"

namespace slipway::kube {

using codec::Json;

// Labels and annotations that platform/charts/inference puts on pods.
inline constexpr const char* kModelLabel = "slipway.dev/model";
inline constexpr const char* kFrameworkLabel = "slipway.dev/framework";
inline constexpr const char* kModelIdAnnotation = "slipway.dev/model-id";

// {"id", "state", "node", "restarts", "last_exit", "progress": {"phase"}} of one pod. States: pending (no
// node), starting, ready, draining, failed, crash_loop.
Json replica_of(const Json& pod);
// [{"id", "model", "framework", "state", "replicas"}], by id; pods without the label are passed over.
Json models_of(const Json& pods);

// Where a pod shows its metrics: Ray's and Triton's have a port of their own, NVIDIA's a path.
struct MetricsPlace {
  std::uint16_t port = 8000;
  std::string path = "/metrics";
};
MetricsPlace metrics_of(const Json& pod);

}  // namespace slipway::kube
