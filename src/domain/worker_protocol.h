// What a worker says on its control pipe: one JSON object a line (codec/worker_protocol encodes and decodes).
//
//   {"type":"progress","phase":"weights","done":1048576,"total":98000000,"unit":"bytes"}
//   {"type":"ready","facts":{...}}
//   {"type":"beat","steps":118,"tokens":4711,"running":3,"waiting":0,"kv_used":812}
//   {"type":"failed","code":"E4005","message":"...","next":"..."}
//   {"type":"drained"}
//
// Beats come at most every 250 ms while the engine makes progress (from llama's abort callback, once a graph
// node), and every second while it is idle; a busy worker that sends none is stuck. The control descriptor is
// one end of a socket pair: end of file on it means that the parent is gone: exit. The command line is
// codec/worker_arguments.h. The crash page is a shared memory file (fd 5) that names the fingerprints of the
// running step: CrashPage below.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <variant>

#include "domain/replica.h"

namespace slipway::domain {

struct WorkerProgress {
  std::string phase;  // "weights", "context", "warmup"
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string unit;  // "bytes", "layers", ""
};
struct WorkerReady {
  ReplicaFacts facts;
};
struct WorkerBeat {
  std::uint64_t steps = 0;    // decode steps since the start
  std::uint64_t tokens = 0;   // tokens processed since the start (prompt and output)
  std::uint32_t running = 0;  // sequences in the batch
  std::uint32_t waiting = 0;  // admitted to the queue
  std::uint64_t kv_used = 0;  // KV cells in use
};
struct WorkerFailed {
  std::string code;
  std::string message;
  std::string next;
};
struct WorkerDrained {};

using WorkerMessage = std::variant<WorkerProgress, WorkerReady, WorkerBeat, WorkerFailed, WorkerDrained>;

// Shared between worker (writes) and supervisor (reads after a crash): which requests were in the step that
// died. A fingerprint is XXH3 of the request's model, messages and parameters, without its id; 0 = empty.
struct CrashPage {
  static constexpr std::uint32_t kMagic = 0x534c4950;  // "SLIP"
  static constexpr std::size_t kSlots = 256;
  std::atomic<std::uint32_t> magic;
  std::atomic<std::uint32_t> count;  // valid entries
  std::array<std::atomic<std::uint64_t>, kSlots> fingerprints;
};

}  // namespace slipway::domain
