#include "codec/error_body.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace slipway::codec {

using nlohmann::ordered_json;

std::string_view openai_error_type(base::ErrorKind kind) {
  using base::ErrorKind;
  switch (kind) {
    case ErrorKind::invalid_argument:
    case ErrorKind::failed_precondition:
    case ErrorKind::not_found:
    case ErrorKind::already_exists:
      return "invalid_request_error";
    case ErrorKind::unauthenticated:
      return "authentication_error";
    case ErrorKind::permission_denied:
      return "permission_error";
    case ErrorKind::resource_exhausted:
      return "rate_limit_error";
    case ErrorKind::unavailable:
      return "service_unavailable_error";
    case ErrorKind::deadline_exceeded:
      return "timeout_error";
    case ErrorKind::cancelled:
    case ErrorKind::data_loss:
    case ErrorKind::internal:
      return "server_error";
  }
  return "server_error";
}

std::string retry_after_seconds(std::chrono::milliseconds t) {
  return std::to_string(std::max<std::int64_t>(1, (t.count() + 999) / 1000));
}

std::string openai_error(const base::Error& error, std::string_view request_id) {
  ordered_json e;
  e["message"] = error.detail().empty() ? error.message() : error.message() + "\n" + error.detail();
  e["type"] = openai_error_type(error.kind());
  e["param"] = error.param().empty() ? ordered_json(nullptr) : ordered_json(error.param());
  e["code"] = base::code_name(error.code());
  e["symbol"] = base::info(error.code()).symbol;
  e["request_id"] = request_id;
  e["next"] = error.next_step();
  e["retryable"] = error.retryable();
  if (const auto wait = error.retry_after()) e["retry_after"] = static_cast<double>(wait->count()) / 1000.0;
  return ordered_json{{"error", e}}.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string openai_error_event(const base::Error& error, std::string_view request_id) {
  return "event: error\ndata: " + openai_error(error, request_id) + "\n\n";
}

ReplicaError parse_openai_error(std::string_view body) {
  const auto text = [](const nlohmann::json& j, const char* key) {
    const auto it = j.find(key);
    return it != j.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  ReplicaError out;
  const nlohmann::json j = nlohmann::json::parse(body, nullptr, false);
  if (!j.is_object()) return out;
  const auto it = j.find("error");
  if (it == j.end() || !it->is_object()) return out;
  out.code = text(*it, "code");
  out.message = text(*it, "message");
  const auto retryable = it->find("retryable");
  out.retryable = retryable != it->end() && retryable->is_boolean() && retryable->get<bool>();
  return out;
}

}  // namespace slipway::codec
