// How replicas came to be ready: the phases of their start with times, read off pods, the kubelet's events,
// nodes and Karpenter's claims. Pure.
//
// The API keeps times to the second, so a phase may last 0 s; only the kubelet's pull times are finer. A
// phase that is not over, or of which nothing can be told, is left out; between two phases there may be a
// gap. Sources: core/v1 (PodStatus, events of the kubelet) and karpenter.sh/v1.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json_view.h"

namespace slipway::kube {

using codec::Json;

// In the order in which they happen.
enum class Phase {
  node_launched,  // a node that was not there when the pod was made; only then
  scheduled,
  set_up,        // volumes and network, until the kubelet turned to the images
  image_pulled,  // of all its containers
  prepared,      // init containers ran
  loaded,        // from the server's start to ready: weights, compilation, warm-up
  ready,         // from the pod's making: the whole of it
};
std::string_view to_string(Phase phase);  // "node_launched", ...

struct StartPhase {
  Phase phase = Phase::ready;
  std::int64_t start = 0;  // unix seconds
  double seconds = 0;
  std::uint64_t bytes = 0;   // of the images that were pulled; 0: not known, or none was
  std::string detail = {};   // the node's type; the init containers; "after 2 restarts"; may be empty
  std::size_t replicas = 1;  // in a model's phase: how many are through it
};

// What is known of one replica: its pod, events about pods (of any), its node and that node's claim; null
// where nothing is.
struct ReplicaStart {
  Json pod;
  Json events = Json::array();
  Json node = {};
  Json claim = {};
};

// Whether a condition of an object's status is true.
bool holds(const Json& object, std::string_view condition);
// In order.
std::vector<StartPhase> phases_of(const ReplicaStart& replica);
// The slowest replica of each phase, with how many are through it.
std::vector<StartPhase> slowest(std::span<const std::vector<StartPhase>> replicas);
// Seconds of Go's way to write a duration: "1m2.5s", "350ms"; negative for what is none.
double go_seconds(std::string_view text);

}  // namespace slipway::kube
