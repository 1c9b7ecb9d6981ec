#include "codec/worker_protocol.h"

#include <nlohmann/json.hpp>

namespace slipway::codec {
namespace {

using nlohmann::json;

json facts_to_json(const domain::ReplicaFacts& f) {
  return {{"fingerprint", f.fingerprint},       {"context_tokens", f.context_tokens},
          {"kv_tokens", f.kv_tokens},           {"parallel", f.parallel},
          {"layout", to_string(f.layout)},      {"device", f.device},
          {"resident_bytes", f.resident_bytes}, {"load_seconds", f.load_seconds}};
}

domain::ReplicaFacts facts_from_json(const json& j) {
  domain::ReplicaFacts f;
  f.fingerprint = j.value("fingerprint", "");
  f.context_tokens = j.value("context_tokens", 0);
  f.kv_tokens = j.value("kv_tokens", 0);
  f.parallel = j.value("parallel", 0);
  f.layout = j.value("layout", "") == "streams" ? domain::KvLayout::streams : domain::KvLayout::unified;
  f.device = j.value("device", "");
  f.resident_bytes = j.value("resident_bytes", std::uint64_t{0});
  f.load_seconds = j.value("load_seconds", 0.0);
  return f;
}

struct Encoder {
  json operator()(const domain::WorkerProgress& m) const {
    return {{"type", "progress"}, {"phase", m.phase}, {"done", m.done}, {"total", m.total}, {"unit", m.unit}};
  }
  json operator()(const domain::WorkerReady& m) const {
    return {{"type", "ready"}, {"facts", facts_to_json(m.facts)}};
  }
  json operator()(const domain::WorkerBeat& m) const {
    return {{"type", "beat"},       {"steps", m.steps},     {"tokens", m.tokens},
            {"running", m.running}, {"waiting", m.waiting}, {"kv_used", m.kv_used}};
  }
  json operator()(const domain::WorkerFailed& m) const {
    return {{"type", "failed"}, {"code", m.code}, {"message", m.message}, {"next", m.next}};
  }
  json operator()(const domain::WorkerDrained&) const { return {{"type", "drained"}}; }
};

}  // namespace

std::string encode_worker_message(const domain::WorkerMessage& message) {
  return std::visit(Encoder{}, message).dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

base::Result<domain::WorkerMessage> decode_worker_message(std::string_view line) {
  using base::Error, base::ErrorCode;
  try {
    const json j = json::parse(line);
    const std::string type = j.value("type", "");
    if (type == "progress")
      return domain::WorkerProgress{j.value("phase", ""), j.value("done", std::uint64_t{0}),
                                    j.value("total", std::uint64_t{0}), j.value("unit", "")};
    if (type == "ready") return domain::WorkerReady{facts_from_json(j.at("facts"))};
    if (type == "beat")
      return domain::WorkerBeat{j.value("steps", std::uint64_t{0}), j.value("tokens", std::uint64_t{0}),
                                j.value("running", std::uint32_t{0}), j.value("waiting", std::uint32_t{0}),
                                j.value("kv_used", std::uint64_t{0})};
    if (type == "failed")
      return domain::WorkerFailed{j.value("code", ""), j.value("message", ""), j.value("next", "")};
    if (type == "drained") return domain::WorkerDrained{};
    return Error(ErrorCode::bad_json, "a worker's control line has the unknown type '" + type + "'");
  } catch (const json::exception& e) {
    return Error(ErrorCode::bad_json, std::string("a worker's control line is not valid: ") + e.what());
  }
}

std::string encode_gpus(std::span<const domain::Gpu> gpus) {
  json list = json::array();
  for (const domain::Gpu& g : gpus)
    list.push_back({{"name", g.name},
                    {"description", g.description},
                    {"memory_bytes", g.memory_bytes},
                    {"free_bytes", g.free_bytes}});
  return json{{"gpus", list}}.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

base::Result<std::vector<domain::Gpu>> decode_gpus(std::string_view text) {
  using base::Error, base::ErrorCode;
  try {
    std::vector<domain::Gpu> out;
    const json j = json::parse(text);
    for (const json& g : j.at("gpus")) {
      if (out.size() == kMaxGpus) break;
      out.push_back({g.at("name").get<std::string>(), g.value("description", ""),
                     g.value("memory_bytes", std::uint64_t{0}), g.value("free_bytes", std::uint64_t{0})});
    }
    return out;
  } catch (const json::exception& e) {
    return Error(ErrorCode::bad_json, std::string("the worker's list of GPUs is not valid: ") + e.what());
  }
}

std::string_view to_string(domain::KvLayout layout) {
  return layout == domain::KvLayout::unified ? "unified" : "streams";
}

base::Result<domain::KvLayout> parse_kv_layout(std::string_view text) {
  if (text == "unified") return domain::KvLayout::unified;
  if (text == "streams") return domain::KvLayout::streams;
  return base::Error(base::ErrorCode::bad_value,
                     "KV layout '" + std::string(text) + "' is neither unified nor streams");
}

}  // namespace slipway::codec
