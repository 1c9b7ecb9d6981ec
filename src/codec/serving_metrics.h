// What a replica's own metrics say of its work, whatever its server calls them: vLLM and NIM, Slipway's
// worker (which has vLLM's names too), our server of pictures, Ray's export of vLLM's, llama-server, Triton.
//
// Where a server has several names for a thing, the first that is there counts. Pure.
#pragma once

#include <map>
#include <optional>
#include <string_view>

namespace slipway::codec {

struct ServingCounters {
  std::optional<double> running, waiting;  // requests now
  std::optional<double> kv_ratio;          // 0 to 1, the mean of its engines
  std::optional<double> requests;          // that were answered, since it started; what follows too
  std::optional<double> prompt_tokens, output_tokens;
  std::optional<double> prefix_queried, prefix_hit;  // tokens
  std::map<double, double> ttft;  // upper bound in seconds -> answers up to it; the last: all
};

ServingCounters read_serving_metrics(std::string_view prometheus_text);

}  // namespace slipway::codec
