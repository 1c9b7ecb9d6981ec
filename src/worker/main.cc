// slipway-worker: one replica. Started by the supervisor (codec/worker_arguments.h), or by hand:
//   slipway-worker --listen tcp:127.0.0.1:8081 --model FILE --model-id NAME
//   slipway-worker --probe FILE
//   slipway-worker --processor      the processor features that it cannot do without, one line
//   slipway-worker --gpus           the GPUs that it can compute on, as JSON
#include <iostream>
#include <string>
#include <vector>

#include "codec/worker_arguments.h"
#include "engine/processor.h"
#include "worker/replica.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 1 && arguments[0] == "--version") {
    std::cout << "slipway-worker " << SLIPWAY_VERSION << "\n";
    return 0;
  }
  if (arguments.size() == 1 && arguments[0] == "--processor") {
    std::string line;
    for (const std::string& name : slipway::engine::processor_features())
      line += (line.empty() ? "" : " ") + name;
    std::cout << line << "\n";
    return 0;
  }
  if (arguments.size() == 2 && arguments[0] == "--probe") return slipway::worker::probe(arguments[1]);
  if (arguments.size() == 1 && arguments[0] == "--gpus") return slipway::worker::list_gpus();
  auto decoded = slipway::codec::decode_worker_arguments(arguments);
  if (!decoded) {
    std::cerr << decoded.error().to_string() << "\n";
    return slipway::base::info(decoded.error().code()).exit_code;
  }
  slipway::worker::run_replica(*std::move(decoded));
}
