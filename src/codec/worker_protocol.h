// The worker's control lines (domain/worker_protocol.h) as JSON. Lines are at most kMaxWorkerLine bytes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/gpu.h"
#include "domain/worker_protocol.h"

namespace slipway::codec {

inline constexpr std::size_t kMaxWorkerLine = 64 * 1024;

// One line with its "\n".
std::string encode_worker_message(const domain::WorkerMessage& message);
// `line` without its "\n". Unknown fields are ignored, an unknown type is bad_json.
base::Result<domain::WorkerMessage> decode_worker_message(std::string_view line);

// What `slipway-worker --gpus` prints; at most kMaxGpus are read.
inline constexpr std::size_t kMaxGpus = 64;
std::string encode_gpus(std::span<const domain::Gpu> gpus);
base::Result<std::vector<domain::Gpu>> decode_gpus(std::string_view text);

std::string_view to_string(domain::KvLayout layout);
base::Result<domain::KvLayout> parse_kv_layout(std::string_view text);

}  // namespace slipway::codec
