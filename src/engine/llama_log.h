// llama.cpp's and llama-common's log, which is one per process: split into lines, handed to the caller's
// function, and the last error lines kept as evidence for load_failed.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "engine/engine.h"

namespace slipway::engine {

// Installs itself as llama.cpp's log callback. An empty `sink` writes warnings and errors to stderr.
void capture_llama_log(std::function<void(LogLevel, std::string_view)> sink);
// The last error lines since the capture began, oldest first (at most 8), one a line.
std::string last_llama_errors();

}  // namespace slipway::engine
