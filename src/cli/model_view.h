// How models and replicas look in tables; shared by status, models, deploy and up.
#pragma once

#include <string>

#include "cli/output.h"

namespace slipway::cli {

// One row a replica (its id begins with the model's), or one for a model without any.
Table replica_table(const Json& models, const Console& console);
// The same on a cluster: nodes instead of processes.
Table cluster_table(const Json& models, const Console& console);
// "ready", painted by its meaning.
std::string state_cell(const Console& console, const std::string& state);
// What a replica is doing or why it is not ready: "weights 62 %", "killed by SIGKILL, 3 restarts", "on
// CUDA0 (NVIDIA H100)"; "" when all is well on the processor.
std::string replica_remark(const Json& replica);
// What was deployed, its reasons, and how to use it; to stderr.
void print_deployed(Console& console, const Json& model, bool verbose);
// The names a person may use for the models of a list.
std::vector<std::string> model_names(const Json& models);

}  // namespace slipway::cli
