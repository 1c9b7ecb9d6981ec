// The worker's control lines (domain/worker_protocol.h) as JSON. Lines are at most kMaxWorkerLine bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "domain/worker_protocol.h"

namespace slipway::codec {

inline constexpr std::size_t kMaxWorkerLine = 64 * 1024;

// One line with its "\n".
std::string encode_worker_message(const domain::WorkerMessage& message);
// `line` without its "\n". Unknown fields are ignored, an unknown type is bad_json.
base::Result<domain::WorkerMessage> decode_worker_message(std::string_view line);

std::string_view to_string(domain::KvLayout layout);
base::Result<domain::KvLayout> parse_kv_layout(std::string_view text);

}  // namespace slipway::codec
