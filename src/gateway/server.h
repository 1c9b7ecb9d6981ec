// The front door: keys, limits, routing and the relay between clients and replicas, on one event loop a
// thread.
//
// Ownership: a Gateway owns its loops, its in-flight counters and its limit buckets. The published Snapshot
// and KeySet and the Registry outlive it. Threads: start, drain, stop and in_flight from one owner's thread;
// no lock is shared between the gateway's own threads (each has its own server, client, parsers and log
// buffer; counters are relaxed atomics). Failure: start() refuses to listen off loopback while the KeySet
// does not require keys (key_required). Bounds: every number of GatewayOptions. Units: in the names and
// types.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/published.h"
#include "base/result.h"
#include "base/time.h"
#include "codec/json_limits.h"
#include "domain/key.h"
#include "domain/replica.h"
#include "telemetry/metrics.h"

namespace slipway::gateway {

struct GatewayOptions {
  int threads = 1;                       // loops; they share the port by SO_REUSEPORT
  codec::JsonLimits json{};              // bodies: json.max_bytes
  std::size_t max_connections = 20'000;  // a thread
  std::size_t max_head_bytes = 32 * 1024;
  std::size_t max_answer_bytes =
      16u << 20;         // of an answer that is not a stream, and of one event of a stream
  int max_attempts = 3;  // replicas tried for one request, the first included
  base::Duration request_timeout = std::chrono::minutes(10);  // x-slipway-timeout-ms can only shorten it
  base::Duration head_hold =
      std::chrono::seconds(5);  // a stream's client waits this long for the replica's word
  base::Duration keep_alive = std::chrono::seconds(10);  // silence before an SSE comment
  base::Duration sweep = std::chrono::milliseconds(50);  // granularity of all of these and of the log's flush
  base::Duration stall_timeout = std::chrono::seconds(60);  // a client that reads nothing is cut
  // /ready says yes as soon as the Snapshot is the first of a cluster's (version > 0), whatever models load:
  // one that loads must not take the front door of the others away.
  bool ready_without_models = false;
  // True when the request of this fingerprint (XXH3 of the body as sent to the replica) ended two replicas.
  // Any thread.
  std::function<bool(std::uint64_t fingerprint)> quarantined{};
  // Where request log lines go, whole lines in batches, from the gateway's threads. Empty: no request log.
  std::function<void(std::string_view lines)> request_log{};
};

class Gateway {
 public:
  Gateway(GatewayOptions options, const base::Published<domain::Snapshot>& snapshot,
          const base::Published<domain::KeySet>& keys, telemetry::Registry& metrics);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Binds, then serves on its own threads. TCP port 0 picks one; local() tells, also after the end.
  base::Result<void> start(const domain::Endpoint& listen);
  domain::Endpoint local() const;

  // Refuses new requests (503 draining), lets the running ones finish until the deadline, then cuts the rest;
  // blocks. The count is of those cut. stop() still has to be called, or the destructor does it.
  std::size_t drain(base::Deadline deadline);
  void stop();

  // Requests on their way to the replica in that slot of the Snapshot. Any thread.
  std::uint32_t in_flight(std::uint32_t slot) const;
  // Requests of all clients. Any thread.
  std::uint32_t in_flight() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::gateway
