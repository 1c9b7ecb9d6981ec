// The command line of slipway-worker: written by the supervisor, read by the worker, defined once here.
//
//   slipway-worker --listen fd:3 --control fd:4 --crash-page fd:5 --model FILE --sha256 HEX --model-id ID
//   --task chat
//     --context N --kv-tokens N --parallel N --layout unified|streams --kv-type f16|q8_0 --threads N
//     --processors 0,1 --device cpu|CUDA0 --batch-tokens N --max-queue N --alone HEX,HEX --refuse HEX,HEX
//
// --listen is fd:N (a listening socket made by the parent), unix:PATH or tcp:HOST:PORT. --control is a socket
// pair: lines go up (codec/worker_protocol.h), end of file coming down means that the parent is gone: exit.
// --alone and --refuse are fingerprints of requests with one strike and with two (16 hex digits each).
// Only --listen, --model and --model-id are required; a number left out takes the worker's default (0 in the
// plan).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/model.h"

namespace slipway::codec {

// Fingerprints of requests that were in a step that died (domain::CrashPage).
struct Strikes {
  std::vector<std::uint64_t> alone;   // one strike: shares no step with other requests
  std::vector<std::uint64_t> refuse;  // two strikes: answered with 422 quarantined
};

struct WorkerArguments {
  std::string listen = "fd:3";
  int control_fd = -1;     // -1: no parent listens
  int crash_page_fd = -1;  // -1: none
  int max_queue = 512;     // requests that wait beyond the parallel ones
  domain::LoadPlan plan;   // `reasons` stays empty: a worker needs none
  Strikes strikes;
};

// Without argv[0].
std::vector<std::string> encode_worker_arguments(const WorkerArguments& arguments);
// Errors: usage, naming the flag.
base::Result<WorkerArguments> decode_worker_arguments(std::span<const std::string> arguments);

// The body of POST /internal/strikes on a worker's socket: {"alone":["<16 hex digits>",...],"refuse":[...]}.
// It replaces what the worker knew.
std::string encode_strikes(const Strikes& strikes);
base::Result<Strikes> decode_strikes(std::string_view body);

}  // namespace slipway::codec
