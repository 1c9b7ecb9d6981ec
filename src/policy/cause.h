// Why a model is not ready: causes with their evidence and the next command, from facts. Pure.
//
// Intuition: a replica stands at one step of its way (made, scheduled, volumes, image, started, ready), and
// only facts of that step can hold it up; later ones are consequences. Within a step the specific fact (a
// quota that the cloud names) goes before the general one (no node fits). A scheduler's message counts nodes
// by the first test each failed; tests run in a fixed order, so the node that failed the latest test was the
// nearest to fit and is named first. No conclusion hangs on one fixed sentence of Kubernetes alone where
// structured facts (reasons, exit codes, requests against nodes) say it too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/model_facts.h"

namespace slipway::policy {

// In the order in which they are told when several hold.
enum class Trouble {
  refused,         // the API takes no pod of it: Pod Security, a limit range, a webhook
  quota,           // of the namespace or of the cloud account
  capacity,        // the cloud has no such machine now
  volume,          // a claim that is not bound or cannot be attached
  topology,        // affinity or spread rules that cannot hold
  no_node_fits,    // processors, memory, devices or labels
  taint,           // the nodes that would do are tainted
  missing_secret,  // or a key in it
  missing_config,  // the same of a ConfigMap
  image_pull,
  gated_model,    // the hub wants a token or a licence
  out_of_memory,  // the kernel's or the device's
  evicted,
  node_lost,
  crash_loop,
  cannot_start,  // the container's program cannot be run
  no_progress,   // runs, not ready, silent
  slow_start,    // runs, not ready, and still says new things
  not_ready,     // was started, and its probe fails
  starting,      // on its way, nothing is wrong yet
  scaled_to_zero,
  not_known,
  ready,
  leaving,  // an end that was asked for
};
std::string_view to_string(Trouble trouble);  // "no_node_fits": stable, for programs

struct Finding {
  Trouble trouble = Trouble::not_known;
  std::string sentence = {};
  std::vector<std::string> replicas = {};  // it holds for; empty: for the model as a whole
  std::vector<std::string> evidence = {};  // one fact a line, in the words of who said it
  std::string next = {};                   // a sentence with the command; empty: nothing to do
};

// The first one is the cause; never empty. With every replica ready: one Finding `ready`.
std::vector<Finding> causes(const domain::ModelFacts& facts);

}  // namespace slipway::policy
