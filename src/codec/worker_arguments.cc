#include "codec/worker_arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "codec/worker_protocol.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr std::string_view kTasks[] = {"chat", "base", "embedding"};  // by domain::ModelTask

Error bad(std::string_view flag, std::string_view value) {
  return Error(ErrorCode::usage, fmt::format("slipway-worker: {} does not take '{}'", flag, value));
}

Result<int> integer(std::string_view flag, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return bad(flag, text);
  return value;
}

Result<int> descriptor(std::string_view flag, std::string_view text) {
  if (!text.starts_with("fd:")) return bad(flag, text);
  return integer(flag, text.substr(3));
}

template <class Parse>
auto list(std::string_view text, Parse parse)
    -> Result<std::vector<typename decltype(parse(text))::value_type>> {
  std::vector<typename decltype(parse(text))::value_type> values;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    SLIPWAY_TRY(auto value, parse(text.substr(0, comma)));
    values.push_back(value);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return values;
}

Result<std::uint64_t> fingerprint(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size() || text.size() > 16)
    return Error(ErrorCode::usage, fmt::format("'{}' is not a request fingerprint (16 hex digits)", text));
  return value;
}

std::vector<std::string> hex(const std::vector<std::uint64_t>& values) {
  std::vector<std::string> out;
  for (const std::uint64_t value : values) out.push_back(fmt::format("{:016x}", value));
  return out;
}

// Assigns a parsed value to a field, or passes the error on.
template <class T>
Result<void> set(T& field, Result<T> value) {
  SLIPWAY_TRY(field, std::move(value));
  return {};
}

Result<void> set_task(domain::ModelTask& field, std::string_view text) {
  const auto found = std::ranges::find(kTasks, text);
  if (found == std::end(kTasks)) return bad("--task", text);
  field = static_cast<domain::ModelTask>(found - std::begin(kTasks));
  return {};
}

Result<void> set_kv_type(domain::KvType& field, std::string_view text) {
  if (text != "f16" && text != "q8_0") return bad("--kv-type", text);
  field = text == "f16" ? domain::KvType::f16 : domain::KvType::q8_0;
  return {};
}

Result<void> apply(WorkerArguments& a, std::string_view flag, std::string_view value) {
  domain::LoadPlan& plan = a.plan;
  const auto number = [&](int& field) { return set(field, integer(flag, value)); };
  if (flag == "--listen") return set(a.listen, Result<std::string>(std::string(value)));
  if (flag == "--control") return set(a.control_fd, descriptor(flag, value));
  if (flag == "--crash-page") return set(a.crash_page_fd, descriptor(flag, value));
  if (flag == "--model") return set(plan.path, Result<std::string>(std::string(value)));
  if (flag == "--sha256") return set(plan.sha256, Result<std::string>(std::string(value)));
  if (flag == "--model-id") return set(plan.model_id, Result<std::string>(std::string(value)));
  if (flag == "--task") return set_task(plan.task, value);
  if (flag == "--layout") return set(plan.layout, parse_kv_layout(value));
  if (flag == "--kv-type") return set_kv_type(plan.kv_type, value);
  if (flag == "--context") return number(plan.context_tokens);
  if (flag == "--kv-tokens") return number(plan.kv_tokens);
  if (flag == "--parallel") return number(plan.parallel);
  if (flag == "--threads") return number(plan.threads);
  if (flag == "--batch-tokens") return number(plan.batch_tokens);
  if (flag == "--max-queue") return number(a.max_queue);
  if (flag == "--device") return set(plan.device, Result<std::string>(std::string(value)));
  if (flag == "--processors")
    return set(plan.processors, list(value, [flag](std::string_view s) { return integer(flag, s); }));
  if (flag == "--alone") return set(a.strikes.alone, list(value, fingerprint));
  if (flag == "--refuse") return set(a.strikes.refuse, list(value, fingerprint));
  return Error(ErrorCode::usage, fmt::format("slipway-worker has no flag {}", flag));
}

}  // namespace

std::vector<std::string> encode_worker_arguments(const WorkerArguments& a) {
  std::vector<std::string> out = {"--listen", a.listen};
  const auto add = [&out](std::string_view flag, std::string value) {
    out.emplace_back(flag);
    out.push_back(std::move(value));
  };
  const auto add_number = [&add](std::string_view flag, int value) {
    if (value > 0) add(flag, std::to_string(value));
  };
  if (a.control_fd >= 0) add("--control", fmt::format("fd:{}", a.control_fd));
  if (a.crash_page_fd >= 0) add("--crash-page", fmt::format("fd:{}", a.crash_page_fd));
  add("--model", a.plan.path);
  if (!a.plan.sha256.empty()) add("--sha256", a.plan.sha256);
  add("--model-id", a.plan.model_id);
  add("--task", std::string(kTasks[static_cast<std::size_t>(a.plan.task)]));
  add("--layout", std::string(to_string(a.plan.layout)));
  add("--kv-type", a.plan.kv_type == domain::KvType::f16 ? "f16" : "q8_0");
  add_number("--context", a.plan.context_tokens);
  add_number("--kv-tokens", a.plan.kv_tokens);
  add_number("--parallel", a.plan.parallel);
  add_number("--threads", a.plan.threads);
  add_number("--batch-tokens", a.plan.batch_tokens);
  add_number("--max-queue", a.max_queue);
  if (!a.plan.processors.empty()) add("--processors", fmt::format("{}", fmt::join(a.plan.processors, ",")));
  if (!a.plan.device.empty()) add("--device", a.plan.device);
  if (!a.strikes.alone.empty()) add("--alone", fmt::format("{}", fmt::join(hex(a.strikes.alone), ",")));
  if (!a.strikes.refuse.empty()) add("--refuse", fmt::format("{}", fmt::join(hex(a.strikes.refuse), ",")));
  return out;
}

Result<WorkerArguments> decode_worker_arguments(std::span<const std::string> arguments) {
  WorkerArguments out;
  bool listens = false;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    if (i + 1 == arguments.size())
      return Error(ErrorCode::usage, fmt::format("slipway-worker: {} needs a value", arguments[i]));
    SLIPWAY_RETURN_IF_ERROR(apply(out, arguments[i], arguments[i + 1]));
    listens = listens || arguments[i] == "--listen";
  }
  if (!listens) return Error(ErrorCode::usage, "slipway-worker needs --listen");
  if (out.plan.path.empty()) return Error(ErrorCode::usage, "slipway-worker needs --model");
  if (out.plan.model_id.empty()) return Error(ErrorCode::usage, "slipway-worker needs --model-id");
  return out;
}

std::string encode_strikes(const Strikes& strikes) {
  return nlohmann::json{{"alone", hex(strikes.alone)}, {"refuse", hex(strikes.refuse)}}.dump();
}

Result<Strikes> decode_strikes(std::string_view body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object())
    return Error(ErrorCode::bad_json, "the body of /internal/strikes is not a JSON object");
  Strikes out;
  const auto take = [&json](const char* name, std::vector<std::uint64_t>& into) -> Result<void> {
    if (!json.contains(name)) return {};
    if (!json[name].is_array()) return Error(ErrorCode::bad_request, fmt::format("'{}' is not a list", name));
    for (const auto& item : json[name]) {
      if (!item.is_string())
        return Error(ErrorCode::bad_request, fmt::format("'{}' holds something else than text", name));
      SLIPWAY_TRY(const std::uint64_t value, fingerprint(item.get_ref<const std::string&>()));
      into.push_back(value);
    }
    return {};
  };
  SLIPWAY_RETURN_IF_ERROR(take("alone", out.alone));
  SLIPWAY_RETURN_IF_ERROR(take("refuse", out.refuse));
  return out;
}

}  // namespace slipway::codec
