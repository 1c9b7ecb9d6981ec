// How the start of a model looks: a line a phase for people, a list for programs.
#pragma once

#include <span>
#include <string>

#include "cli/first_answer.h"
#include "cli/output.h"
#include "kube/start_phases.h"

namespace slipway::cli {

// "image pulled 12.3 s (1.9 GB)"; of several replicas: "ready after 45 s, the slowest of 2".
std::string phase_line(const kube::StartPhase& phase, std::size_t replicas);
// [{"phase", "start", "seconds", "replicas", "bytes", "detail"}]
Json phases_json(std::span<const kube::StartPhase> phases);
// "first token after 0.4 s"
std::string first_answer_line(const FirstAnswer& answer);

}  // namespace slipway::cli
