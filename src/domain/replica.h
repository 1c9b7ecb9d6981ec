// What runs: replicas, and the immutable Snapshot that control publishes and the gateway reads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "domain/model.h"

namespace slipway::domain {

// Where a replica listens. Exactly one of `path` and `host` is set.
struct Endpoint {
  std::string path;  // unix socket
  std::string host;  // loopback or cluster address
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

enum class ReplicaState {
  pending,     // decided, not started (waiting for back-off or for the model file)
  starting,    // the process runs, the model loads
  ready,       // takes requests
  draining,    // finishes what it has, takes nothing new
  stopped,     // ended as asked
  backoff,     // ended unasked; restarts at `next_start`
  crash_loop,  // ended unasked too often; waits for a person (or a new deploy)
};

// Facts a worker reports when it is ready.
struct ReplicaFacts {
  std::string fingerprint;  // build, weights, KV types, layout: equal fingerprints may exchange KV blocks
  int context_tokens = 0;
  int kv_tokens = 0;
  int parallel = 0;
  KvLayout layout = KvLayout::unified;
  std::string device;  // what computes: "CPU", or a GPU's name and description
  std::uint64_t resident_bytes = 0;
  double load_seconds = 0;
};

// In a Snapshot a replica also has a `slot`: its index into the fixed array of in-flight counters, stable for
// the replica's life and reused only after it is gone.
struct Replica {
  base::ReplicaId id;
  std::string model_id;
  Endpoint endpoint;
  ReplicaState state = ReplicaState::pending;
  std::uint32_t slot = 0;
  int parallel = 1;  // decodes at once
  ReplicaFacts facts;
};

inline constexpr std::uint32_t kMaxReplicas = 1024;

// What a model's replicas speak.
enum class Dialect { openai, triton_generate };

struct Model {
  std::string id;                    // serviceName; "namespace/serviceName" where two have the same
  std::string served_as;             // the name its replicas know; empty: id
  std::vector<std::string> aliases;  // Hugging Face id, catalogue names
  ModelTask task = ModelTask::chat;
  Dialect dialect = Dialect::openai;
  int context_tokens = 0;
  std::int64_t created = 0;       // unix seconds, for /v1/models
  std::vector<Replica> replicas;  // ordered by id
  // Why no replica is ready, in words for the client ("loading weights, 62 %, ETA 4 s"); empty when one is.
  std::string unready_reason;
  base::Duration retry_after{};  // with unready_reason
};

// Everything the gateway knows about the world. Immutable once published.
struct Snapshot {
  std::uint64_t version = 0;
  std::vector<Model> models;  // ordered by id
  // nullptr when no model has that id or alias.
  const Model* find(std::string_view id_or_alias) const {
    for (const Model& m : models)
      if (m.id == id_or_alias) return &m;
    for (const Model& m : models)
      for (const std::string& a : m.aliases)
        if (a == id_or_alias) return &m;
    return nullptr;
  }
};

}  // namespace slipway::domain
