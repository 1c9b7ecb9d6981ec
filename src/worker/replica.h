// The worker process: sockets, sandbox, model, service, and the way out.
//
// Order matters: descriptors and the GPU's driver first, then the sandbox, then the first byte of the model
// file; the server listens from the start and answers 503 until the model is there. Threads: run() on the
// main thread, which loads and then waits; one HTTP loop; the engine's own. The parent going away ends the
// process at once; SIGTERM drains; a second one cuts.
#pragma once

#include <string>

#include "base/result.h"
#include "codec/gguf.h"
#include "codec/worker_arguments.h"

namespace slipway::worker {

// What a plan leaves open (0), from the file and this machine.
void complete_plan(domain::LoadPlan& plan, const codec::GgufInfo& file, int processors);

// Our own check of the file, before llama.cpp sees it.
base::Result<codec::GgufInfo> check_model_file(const std::string& path);

// Runs until drained or the parent is gone, and ends the process. Exit codes: 0 drained or asked to, 1 failed
// (said on the control socket before).
[[noreturn]] void run_replica(codec::WorkerArguments arguments);

// `slipway-worker --probe FILE`: what the header says, as JSON on stdout.
int probe(const std::string& path);

// `slipway-worker --gpus`: those this build and this machine can compute on, as JSON on stdout
// (codec/worker_protocol.h).
int list_gpus();

}  // namespace slipway::worker
